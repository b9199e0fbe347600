using System.Runtime.CompilerServices;
using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using ShadowAttn.Model.Gguf;
using ShadowAttn.Model.Products;
using ShadowAttn.Model.Tokens;

namespace ShadowAttn.Model.Llama;

/// <summary>
/// A Llama-family language model around an attention: per layer RMSNorm, projections, RoPE, attention, projection, RMSNorm, SwiGLU; fp32 throughout, weights
/// dequantised where they are used. One caller at a time.
/// </summary>
public sealed unsafe class LanguageModel : IDisposable
{
    private readonly GgufFile file;
    private readonly LlamaWeights weights;
    private readonly RotaryEmbedding rope;
    private readonly WorkerPool pool;
    private readonly WeightProducts products;
    private readonly RowWork rowWork;
    private readonly ExpKernel exp = Exp.Kernels.Best.Kernel;
    private Activations? activations;

    private LanguageModel(GgufFile file, int threads)
    {
        this.file = file;
        Config = LlamaConfig.Read(file);
        Tokenizer = ModelTokenizer.Load(file);
        weights = new LlamaWeights(file, Config, Tokenizer.Count);
        rope = new RotaryEmbedding(Config, weights.RopeFactors);
        pool = new WorkerPool(threads);
        products = new WeightProducts(pool, Math.Max(Math.Max(Config.Width, Config.FeedForwardWidth), Config.Heads * Config.HeadDim));
        rowWork = new RowWork(pool);
    }

    /// <summary>The model's shape.</summary>
    public LlamaConfig Config { get; }

    /// <summary>Its tokenizer.</summary>
    public ModelTokenizer Tokenizer { get; }

    /// <summary>The path of its file, as given.</summary>
    public string Path => file.Path;

    /// <summary>Its name by the metadata, or null.</summary>
    public string? Name => file.Metadata.StringOrNull("general.name");

    /// <summary>Its chat template by the metadata, or null.</summary>
    public string? ChatTemplate => file.Metadata.StringOrNull("tokenizer.chat_template");

    /// <summary>CPU threads in use, the caller's included.</summary>
    public int Threads => pool.Threads;

    /// <summary>Opens a model.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="threads">CPU threads, at least 1.</param>
    /// <exception cref="ModelException">The file is no such model, or damaged.</exception>
    public static LanguageModel Open(string path, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new LanguageModel(file, threads);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Runs tokens through all layers.</summary>
    /// <param name="tokens">The tokens, at least one.</param>
    /// <param name="position">Position of the first one: how many the attention has seen.</param>
    /// <param name="attention">The attention, with what it has seen.</param>
    /// <param name="hidden">Receives fp32 [tokens, width], normalised for <see cref="Logits"/>.</param>
    /// <param name="afterLayer">Called with the number of finished layers.</param>
    /// <param name="cancellation">Looked at after every layer.</param>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, or a shape is wrong.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Forward(
        ReadOnlySpan<int> tokens,
        int position,
        ILayerAttention attention,
        TensorView<float> hidden,
        Action<int>? afterLayer = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(attention);
        if (tokens.IsEmpty || hidden.Rank != 2 || hidden.Length(0) != tokens.Length || hidden.Length(1) != Config.Width || !hidden.IsContiguous)
        {
            throw new ArgumentException($"hidden must be [{tokens.Length}, {Config.Width}], contiguous, and not empty", nameof(hidden));
        }

        int rows = tokens.Length;
        Activations a = Reserve(rows);
        Embed(tokens, a.X);
        rope.Prepare(position, rows);
        for (int i = 0; i < Config.Layers; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Attend(i, rows, a, attention);
            FeedForward(weights.Layers[i], rows, a);
            afterLayer?.Invoke(i + 1);
        }

        Normalise(a.X, rows, weights.OutputNorm, hidden.Pointer);
    }

    /// <summary>The logits of the token that follows each row.</summary>
    /// <param name="hidden">fp32 [rows, width] from <see cref="Forward"/>, contiguous.</param>
    /// <param name="logits">Receives fp32 [rows, vocabulary], contiguous.</param>
    /// <exception cref="ArgumentException">A shape is wrong.</exception>
    public void Logits(TensorView<float> hidden, TensorView<float> logits)
    {
        if (hidden.Rank != 2 || logits.Rank != 2 || hidden.Length(1) != Config.Width || logits.Length(0) != hidden.Length(0)
            || logits.Length(1) != Tokenizer.Count || !hidden.IsContiguous || !logits.IsContiguous)
        {
            throw new ArgumentException($"hidden must be [rows, {Config.Width}] and logits [rows, {Tokenizer.Count}], both contiguous", nameof(logits));
        }

        products.Multiply(
            hidden.Pointer, Config.Width, hidden.Length(0), new ProductTarget(weights.Logits, (nint)logits.Pointer, Tokenizer.Count));
    }

    /// <summary>Calls a function for every row, on all threads.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="body">Called once per row.</param>
    public void ForRows(int rows, Action<int> body) => rowWork.Run(rows, body);

    /// <inheritdoc/>
    public void Dispose()
    {
        activations?.Dispose();
        products.Dispose();
        pool.Dispose();
        file.Dispose();
    }

    private Activations Reserve(int rows)
    {
        if (activations is null || activations.Rows < rows)
        {
            activations?.Dispose();
            activations = null;
            activations = new Activations(Config, rows);
        }

        return activations;
    }

    private void Embed(ReadOnlySpan<int> tokens, float* x)
    {
        for (int row = 0; row < tokens.Length; row++)
        {
            if ((uint)tokens[row] >= (uint)Tokenizer.Count)
            {
                throw new ArgumentOutOfRangeException(nameof(tokens), tokens[row], $"token {row} must be below {Tokenizer.Count}");
            }

            weights.Embedding.ReadRow(tokens[row], 0, Config.Width, x + ((nint)row * Config.Width));
        }
    }

    private void Attend(int index, int rows, Activations a, ILayerAttention attention)
    {
        LlamaLayer layer = weights.Layers[index];
        int queryWidth = Config.Heads * Config.HeadDim;
        int keyWidth = Config.KvHeads * Config.HeadDim;
        Normalise(a.X, rows, layer.AttentionNorm, a.Normed);
        products.Multiply(
            a.Normed, Config.Width, rows,
            new ProductTarget(layer.Query, (nint)a.Q, queryWidth),
            new ProductTarget(layer.Key, (nint)a.K, keyWidth),
            new ProductTarget(layer.Value, (nint)a.V, keyWidth));
        TensorView<float> q = Heads(a.Q, Config.Heads, rows);
        TensorView<float> k = Heads(a.K, Config.KvHeads, rows);
        rowWork.Run(rows, row =>
        {
            rope.Turn(q, row);
            rope.Turn(k, row);
        });
        attention.Attend(index, q, k, Heads(a.V, Config.KvHeads, rows), Heads(a.O, Config.Heads, rows));
        products.Multiply(a.O, queryWidth, rows, new ProductTarget(layer.Output, (nint)a.X, Config.Width, Add: true));
    }

    private void FeedForward(LlamaLayer layer, int rows, Activations a)
    {
        int width = Config.FeedForwardWidth;
        Normalise(a.X, rows, layer.FeedForwardNorm, a.Normed);
        products.Multiply(
            a.Normed, Config.Width, rows,
            new ProductTarget(layer.Gate, (nint)a.Gate, width),
            new ProductTarget(layer.Up, (nint)a.Up, width));
        float* gate = a.Gate;
        float* up = a.Up;
        float* scratch = a.Exponents;
        rowWork.Run(rows, row => Activate(gate + ((nint)row * width), up + ((nint)row * width), scratch + ((nint)row * width), width));
        products.Multiply(a.Gate, width, rows, new ProductTarget(layer.Down, (nint)a.X, Config.Width, Add: true));
    }

    /// <summary>gate = gate·sigmoid(gate)·up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Activate(float* gate, float* up, float* exponents, int count)
    {
        for (int i = 0; i < count; i++)
        {
            exponents[i] = -gate[i];
        }

        exp.Run(exponents, exponents, count);
        for (int i = 0; i < count; i++)
        {
            gate[i] = gate[i] / (1 + exponents[i]) * up[i];
        }
    }

    /// <summary>y = x / √(mean(x²) + ε)·w, row by row.</summary>
    private void Normalise(float* x, int rows, float[] weight, float* y)
    {
        int width = Config.Width;
        float epsilon = Config.NormEpsilon;
        rowWork.Run(rows, row => NormaliseRow(x + ((nint)row * width), weight, epsilon, y + ((nint)row * width)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseRow(float* x, float[] weight, float epsilon, float* y)
    {
        double squares = 0;
        for (int i = 0; i < weight.Length; i++)
        {
            squares += (double)x[i] * x[i];
        }

        float factor = (float)(1 / Math.Sqrt((squares / weight.Length) + epsilon));
        for (int i = 0; i < weight.Length; i++)
        {
            y[i] = x[i] * factor * weight[i];
        }
    }

    private TensorView<float> Heads(float* rows, int heads, int count) =>
        new(rows, [heads, count, Config.HeadDim], [Config.HeadDim, heads * Config.HeadDim, 1]);
}
