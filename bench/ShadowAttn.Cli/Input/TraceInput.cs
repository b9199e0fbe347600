using System.Globalization;
using System.Runtime.InteropServices;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Safetensors;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Input;

/// <summary>
/// One attention layer from a trace file, as fp32: <c>q</c> [heads, queries, headDim], <c>k</c> and <c>v</c> [kvHeads, keys, headDim], of F32,
/// F16 or BF16; query head h uses KV head h / (heads / kvHeads); the queries are the last ones of the keys.
/// </summary>
public sealed class TraceInput : IDisposable
{
    private const int ChunkElements = 1 << 16;
    private readonly List<UnmanagedBuffer> _buffers = [];

    private TraceInput(string path, IReadOnlyDictionary<string, string> metadata)
    {
        Path = path;
        Metadata = metadata;
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>All metadata of the file.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Number of query heads.</summary>
    public int Heads => Q.Length(0);

    /// <summary>Number of heads of K and V.</summary>
    public int KvHeads => K.Length(0);

    /// <summary>Number of queries per head.</summary>
    public int QueryCount => Q.Length(1);

    /// <summary>Number of keys per KV head.</summary>
    public int KeyCount => K.Length(1);

    /// <summary>Elements of a query, key or value.</summary>
    public int HeadDim => Q.Length(2);

    /// <summary>Whether query i sees only the keys up to position keys - queries + i. Metadata <c>causal</c>; true if absent.</summary>
    public bool Causal { get; private init; }

    /// <summary>What q·k is multiplied by. Metadata <c>scale</c>; headDim^-0.5 if absent.</summary>
    public float Scale { get; private init; }

    /// <summary>The model's name, from the metadata, or null.</summary>
    public string? Model => Metadata.GetValueOrDefault("model");

    /// <summary>The layer's number, from the metadata, or null.</summary>
    public int? Layer { get; private init; }

    /// <summary>Element type of <c>q</c> in the file.</summary>
    public required SafetensorsType QueryType { get; init; }

    /// <summary>Element type of <c>k</c> and <c>v</c> in the file; of <c>k</c>, should they differ.</summary>
    public required SafetensorsType KeyType { get; init; }

    /// <summary>Queries [heads, queries, headDim], contiguous, finite.</summary>
    public TensorView<float> Q { get; private set; }

    /// <summary>Keys [kvHeads, keys, headDim], contiguous, finite.</summary>
    public TensorView<float> K { get; private set; }

    /// <summary>Values [kvHeads, keys, headDim], contiguous, finite.</summary>
    public TensorView<float> V { get; private set; }

    /// <summary>Reads a trace.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <exception cref="InputException">
    /// The file cannot be read or is damaged; a tensor is missing, has another type or rank, or does not fit the others; metadata has a wrong
    /// value; an element is NaN or infinite.
    /// </exception>
    public static TraceInput Open(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsTensor q = Find(file, "q");
        SafetensorsTensor k = Find(file, "k");
        SafetensorsTensor v = Find(file, "v");
        CheckShapes(path, q, k, v);
        var trace = new TraceInput(path, file.Metadata)
        {
            Causal = ReadCausal(file),
            Scale = ReadScale(file, q.Shape[2]),
            Layer = ReadLayer(file),
            QueryType = q.Type,
            KeyType = k.Type,
        };
        try
        {
            trace.Q = trace.Load(file, q);
            trace.K = trace.Load(file, k);
            trace.V = trace.Load(file, v);
            return trace;
        }
        catch
        {
            trace.Dispose();
            throw;
        }
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose() => _buffers.ForEach(b => b.Dispose());

    private static SafetensorsTensor Find(SafetensorsFile file, string name)
    {
        SafetensorsTensor tensor = file.Find(name) ?? throw new InputException(
            $"{file.Path}: there is no tensor '{name}'; a trace has q [heads, queries, dim], k and v [kv_heads, keys, dim]");
        if (tensor.Type != SafetensorsType.F32 && tensor.Type != SafetensorsType.F16 && tensor.Type != SafetensorsType.Bf16)
        {
            throw new InputException($"{file.Path}: tensor '{name}' is {tensor.Type}; F32, F16 or BF16 is needed");
        }

        if (tensor.Shape.Count != 3)
        {
            throw new InputException($"{file.Path}: tensor '{name}' has shape {tensor.ShapeText}; three dimensions are needed, "
                + (name == "q" ? "[heads, queries, dim]" : "[kv_heads, keys, dim]"));
        }

        foreach (long length in tensor.Shape)
        {
            if (length is < 1 or > int.MaxValue)
            {
                throw new InputException($"{file.Path}: tensor '{name}' has shape {tensor.ShapeText}; every length must be 1 to {int.MaxValue}");
            }
        }

        return tensor;
    }

    private static void CheckShapes(string path, SafetensorsTensor q, SafetensorsTensor k, SafetensorsTensor v)
    {
        string? mistake = null;
        if (!k.Shape.SequenceEqual(v.Shape))
        {
            mistake = $"k {k.ShapeText} and v {v.ShapeText} must have the same shape";
        }
        else if (q.Shape[2] != k.Shape[2])
        {
            mistake = $"q {q.ShapeText} and k {k.ShapeText} must have the same last length (dim)";
        }
        else if (q.Shape[0] % k.Shape[0] != 0)
        {
            mistake = $"q has {q.Shape[0]} heads, which is no multiple of the {k.Shape[0]} KV heads of k and v";
        }
        else if (q.Shape[2] > AttentionOptions.MaxHeadDim)
        {
            mistake = $"q, k and v have {q.Shape[2]} elements per row (dim); at most {AttentionOptions.MaxHeadDim} are supported";
        }
        else if (q.Shape[1] > k.Shape[1])
        {
            mistake = $"q has {q.Shape[1]} queries, more than the {k.Shape[1]} keys of k and v; queries are the last ones of the keys";
        }

        if (mistake is not null)
        {
            throw new InputException($"{path}: {mistake}");
        }
    }

    private static bool ReadCausal(SafetensorsFile file) => file.Metadata.GetValueOrDefault("causal") switch
    {
        null or "true" => true,
        "false" => false,
        string other => throw BadMetadata(file, "causal", other, "true or false"),
    };

    private static float ReadScale(SafetensorsFile file, long headDim)
    {
        if (!file.Metadata.TryGetValue("scale", out string? text))
        {
            return (float)(1 / Math.Sqrt(headDim));
        }

        return float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float scale) && float.IsFinite(scale) && scale > 0
            ? scale
            : throw BadMetadata(file, "scale", text, "a number above 0 such as 0.125");
    }

    private static int? ReadLayer(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue("layer", out string? text))
        {
            return null;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            ? layer
            : throw BadMetadata(file, "layer", text, "a whole number from 0");
    }

    private static InputException BadMetadata(SafetensorsFile file, string key, string value, string right)
        => new($"{file.Path}: metadata {key} is {InputException.Quote(value)}; it must be {right}");

    private TensorView<float> Load(SafetensorsFile file, SafetensorsTensor tensor)
    {
        int elementBytes = tensor.Type.Bits / 8;
        long elements = tensor.ByteLength / elementBytes;
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(elements * sizeof(float));
        _buffers.Add(buffer);
        ushort[] halves = tensor.Type == SafetensorsType.F32 ? [] : new ushort[Math.Min(elements, ChunkElements)];
        for (long start = 0; start < elements; start += ChunkElements)
        {
            Span<float> chunk = buffer.AsSpan<float>(start * sizeof(float), (int)Math.Min(ChunkElements, elements - start));
            if (tensor.Type == SafetensorsType.F32)
            {
                file.Read(tensor, start * elementBytes, MemoryMarshal.AsBytes(chunk));
            }
            else
            {
                Span<ushort> source = halves.AsSpan(0, chunk.Length);
                file.Read(tensor, start * elementBytes, MemoryMarshal.AsBytes(source));
                Widen(tensor.Type, source, chunk);
            }

            CheckFinite(tensor, start, chunk);
        }

        return buffer.View<float>((int)tensor.Shape[0], (int)tensor.Shape[1], (int)tensor.Shape[2]);
    }

    private static void Widen(SafetensorsType type, ReadOnlySpan<ushort> source, Span<float> destination)
    {
        if (type == SafetensorsType.F16)
        {
            HalfConvert.F16ToF32(source, destination);
        }
        else
        {
            HalfConvert.Bf16ToF32(source, destination);
        }
    }

    private void CheckFinite(SafetensorsTensor tensor, long start, ReadOnlySpan<float> chunk)
    {
        for (int i = 0; i < chunk.Length; i++)
        {
            if (!float.IsFinite(chunk[i]))
            {
                long index = start + i;
                long dim = tensor.Shape[2];
                long rows = tensor.Shape[1];
                string value = float.IsNaN(chunk[i]) ? "NaN" : chunk[i] > 0 ? "infinity" : "-infinity";
                throw new InputException($"{Path}: {tensor.Name}[{index / (rows * dim)}, {index / dim % rows}, {index % dim}] is {value}; "
                    + "every element must be finite");
            }
        }
    }
}
