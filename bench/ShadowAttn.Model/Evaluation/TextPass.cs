using System.Diagnostics;
using ShadowAttn.Memory;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Model.Evaluation;

/// <summary>A text run through a model once: the hidden state of every token, and how long it took.</summary>
public sealed class TextPass : IDisposable
{
    private readonly UnmanagedBuffer buffer;
    private readonly int width;

    private TextPass(int[] tokens, int width)
    {
        Tokens = tokens;
        this.width = width;
        buffer = UnmanagedBuffer.Allocate((long)tokens.Length * width * sizeof(float));
    }

    /// <summary>The tokens.</summary>
    public int[] Tokens { get; }

    /// <summary>Wall time of all layers, without the logits.</summary>
    public double Milliseconds { get; private set; }

    /// <summary>fp32 [tokens, width], what <see cref="LanguageModel.Logits"/> takes.</summary>
    public TensorView<float> Hidden => buffer.View<float>(Tokens.Length, width);

    /// <summary>Runs a text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">Tokens, at least one.</param>
    /// <param name="attention">An attention that has seen nothing, with room for the tokens.</param>
    /// <param name="chunk">Tokens of a call, at least 1; all at once when there are fewer.</param>
    /// <param name="progress">Told the number of finished steps and of all, a step being a layer of a chunk; may be null.</param>
    /// <param name="cancellation">Looked at after every layer.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static TextPass Run(
        LanguageModel model, int[] tokens, ILayerAttention attention, int chunk, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length, nameof(tokens));
        ArgumentOutOfRangeException.ThrowIfLessThan(chunk, 1);
        var pass = new TextPass(tokens, model.Config.Width);
        try
        {
            int steps = (((tokens.Length - 1) / chunk) + 1) * model.Config.Layers;
            int before = 0;
            long start = Stopwatch.GetTimestamp();
            for (int first = 0; first < tokens.Length; first += chunk, before += model.Config.Layers)
            {
                int count = Math.Min(chunk, tokens.Length - first);
                int done = before;
                model.Forward(
                    tokens.AsSpan(first, count), first, attention, pass.Hidden.Slice(0, first, count), layer => progress?.Invoke(done + layer, steps), cancellation);
            }

            pass.Milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            return pass;
        }
        catch
        {
            pass.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => buffer.Dispose();
}
