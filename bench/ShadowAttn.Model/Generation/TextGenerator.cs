using System.Diagnostics;
using System.Text;
using ShadowAttn.Memory;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Model.Generation;

/// <summary>What a generation took.</summary>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="Tokens">Generated tokens.</param>
/// <param name="PromptMilliseconds">Wall time of the prompt.</param>
/// <param name="Milliseconds">Wall time of the generated tokens.</param>
public sealed record GenerationFigures(int PromptTokens, int Tokens, double PromptMilliseconds, double Milliseconds);

/// <summary>Continues a prompt token by token.</summary>
public static class TextGenerator
{
    /// <summary>Generates until the model ends its turn, the limit or the cancellation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="attention">An attention that has seen nothing, with room for the prompt and <paramref name="limit"/> tokens.</param>
    /// <param name="prompt">The prompt's tokens, at least one.</param>
    /// <param name="limit">The most tokens.</param>
    /// <param name="sampler">Chooses.</param>
    /// <param name="text">Gets the text as it comes; a character whose bytes are not all there yet comes with the last of them.</param>
    /// <param name="cancellation">Ends the generation; what came so far counts.</param>
    public static GenerationFigures Run(
        LanguageModel model, ILayerAttention attention, int[] prompt, int limit, TokenSampler sampler, Action<string> text, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(text);
        int vocabulary = model.Tokenizer.Count;
        using HiddenRows hidden = new(prompt.Length, model.Config.Width);
        using UnmanagedBuffer logits = UnmanagedBuffer.Allocate((long)vocabulary * sizeof(float));
        Decoder decoder = Encoding.UTF8.GetDecoder();
        var bytes = new List<byte>();
        var characters = new char[256];
        long start = Stopwatch.GetTimestamp();
        model.Forward(prompt, 0, attention, hidden.Rows(prompt.Length), cancellation: cancellation);
        model.Logits(hidden.Rows(prompt.Length).Slice(0, prompt.Length - 1, 1), logits.View<float>(1, vocabulary));
        double promptMilliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        start = Stopwatch.GetTimestamp();
        int made = 0;
        while (made < limit && !cancellation.IsCancellationRequested)
        {
            int token = sampler.Next(logits.AsSpan<float>());
            if (token == model.Tokenizer.EndId || token == model.Tokenizer.TurnEndId)
            {
                break;
            }

            bytes.Clear();
            model.Tokenizer.AppendBytes(token, bytes);
            if (characters.Length < bytes.Count + 2)
            {
                characters = new char[bytes.Count + 2];
            }

            int count = decoder.GetChars(bytes.ToArray(), characters, flush: false);
            text(new string(characters, 0, count));
            if (++made < limit)
            {
                model.Forward([token], prompt.Length + made - 1, attention, hidden.Rows(1), cancellation: CancellationToken.None);
                model.Logits(hidden.Rows(1), logits.View<float>(1, vocabulary));
            }
        }

        return new GenerationFigures(prompt.Length, made, promptMilliseconds, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    /// <summary>Hidden states of up to so many tokens.</summary>
    private sealed class HiddenRows(int rows, int width) : IDisposable
    {
        private readonly UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)rows * width * sizeof(float));

        public TensorView<float> Rows(int count) => buffer.View<float>(count, width);

        public void Dispose() => buffer.Dispose();
    }
}
