using ShadowAttn.Attention;
using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Model.Llama;

/// <summary>Which channels of a head RoPE turns together.</summary>
public enum RopePairing
{
    /// <summary>2i and 2i + 1: Llama's GGUF files.</summary>
    Adjacent,

    /// <summary>i and i + dim / 2: Qwen2's, as in NeoX.</summary>
    Halves,
}

/// <summary>How RoPE's angles are stretched for contexts longer than those of the training.</summary>
public enum RopeScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Positions are divided by a factor.</summary>
    Linear,

    /// <summary>YaRN: slow channels by the factor, fast ones not at all (Peng et al., 2023).</summary>
    Yarn,
}

/// <summary>The shape of a Llama-family model, from the metadata of its file.</summary>
public sealed record LlamaConfig
{
    private const int MaxLayers = 1024;
    private const int MaxHeads = 4096;
    private const int MaxWidth = 1 << 20;

    /// <summary>The architecture's name: <c>llama</c> or <c>qwen2</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Width of the feed-forward network.</summary>
    public required int FeedForwardWidth { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Channels of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Tokens that the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>What RMSNorm adds to the mean square.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Channels of a head that RoPE turns.</summary>
    public required int RopeDim { get; init; }

    /// <summary>RoPE's base.</summary>
    public required double RopeBase { get; init; }

    /// <summary>Which channels it turns together.</summary>
    public required RopePairing RopePairing { get; init; }

    /// <summary>How its angles are stretched.</summary>
    public required RopeScaling RopeScaling { get; init; }

    /// <summary>The factor of the stretching, at least 1.</summary>
    public required double RopeFactor { get; init; }

    /// <summary>YaRN: the context of the training before it was stretched.</summary>
    public required int RopeOriginalContext { get; init; }

    /// <summary>YaRN: what the attention's temperature is multiplied with.</summary>
    public required double RopeAttentionFactor { get; init; }

    /// <summary>Reads and checks the metadata.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="ModelException">The architecture is another one, or something is missing or out of range.</exception>
    public static LlamaConfig Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufMetadata metadata = file.Metadata;
        string architecture = metadata.String("general.architecture");
        RopePairing pairing = architecture switch
        {
            "llama" => RopePairing.Adjacent,
            "qwen2" => RopePairing.Halves,
            _ => throw new ModelException($"{file.Path}: is a model of architecture {ModelException.Quote(architecture)}; llama and qwen2 are supported"),
        };

        string Key(string name) => $"{architecture}.{name}";
        int width = metadata.Number(Key("embedding_length"), 1, MaxWidth);
        int heads = metadata.Number(Key("attention.head_count"), 1, MaxHeads);
        int kvHeads = metadata.NumberOrNull(Key("attention.head_count_kv"), 1, MaxHeads) ?? heads;
        int headDim = HeadDimension(file, Key("attention.key_length"), Key("attention.value_length"), width, heads);
        if (heads % kvHeads != 0)
        {
            throw new ModelException($"{file.Path}: has {heads} heads and {kvHeads} KV heads; the heads must be a multiple of the KV heads");
        }

        RefuseOthers(file, Key);
        int ropeDim = metadata.NumberOrNull(Key("rope.dimension_count"), 0, headDim) ?? headDim;
        if (ropeDim % 2 != 0)
        {
            throw new ModelException($"{file.Path}: {Key("rope.dimension_count")} is {ropeDim}, but must be even");
        }

        int context = metadata.NumberOrNull(Key("context_length"), 1, int.MaxValue) ?? int.MaxValue;
        (RopeScaling scaling, double factor) = Scaling(file, Key);
        return new LlamaConfig
        {
            Architecture = architecture,
            Layers = metadata.Number(Key("block_count"), 1, MaxLayers),
            Width = width,
            FeedForwardWidth = metadata.Number(Key("feed_forward_length"), 1, MaxWidth),
            Heads = heads,
            KvHeads = kvHeads,
            HeadDim = headDim,
            ContextLength = context,
            NormEpsilon = (float)Positive(file, Key("attention.layer_norm_rms_epsilon"), null),
            RopeDim = ropeDim,
            RopeBase = Positive(file, Key("rope.freq_base"), 10000),
            RopePairing = pairing,
            RopeScaling = scaling,
            RopeFactor = factor,
            RopeOriginalContext = metadata.NumberOrNull(Key("rope.scaling.original_context_length"), 1, int.MaxValue) ?? context,
            RopeAttentionFactor = Positive(file, Key("rope.scaling.attn_factor"), 1),
        };
    }

    private static int HeadDimension(GgufFile file, string keyName, string valueName, int width, int heads)
    {
        int? keys = file.Metadata.NumberOrNull(keyName, 1, AttentionOptions.MaxHeadDim);
        int? values = file.Metadata.NumberOrNull(valueName, 1, AttentionOptions.MaxHeadDim);
        if (keys is null && width % heads != 0)
        {
            throw new ModelException($"{file.Path}: width {width} is no multiple of {heads} heads, and {keyName} does not say a head's dimension");
        }

        int dim = keys ?? width / heads;
        if ((values ?? dim) != dim)
        {
            throw new ModelException($"{file.Path}: keys have {dim} channels and values {values}; they must have the same");
        }

        return dim <= AttentionOptions.MaxHeadDim
            ? dim
            : throw new ModelException($"{file.Path}: a head has {dim} channels; at most {AttentionOptions.MaxHeadDim} are supported");
    }

    // What would change the result and is not computed must not be passed over.
    private static void RefuseOthers(GgufFile file, Func<string, string> key)
    {
        foreach ((string name, string what) in new[]
        {
            ("expert_count", "a mixture of experts"), ("attention.sliding_window", "attention in a sliding window"),
        })
        {
            if ((file.Metadata.NumberOrNull(key(name), 0, int.MaxValue) ?? 0) != 0)
            {
                throw new ModelException($"{file.Path}: {key(name)} says that the model has {what}, which is not supported");
            }
        }
    }

    private static (RopeScaling Scaling, double Factor) Scaling(GgufFile file, Func<string, string> key)
    {
        string type = file.Metadata.StringOrNull(key("rope.scaling.type")) ?? "none";
        double factor = Positive(file, key("rope.scaling.factor"), 1);
        return type switch
        {
            "none" => (RopeScaling.None, 1),
            "linear" => (RopeScaling.Linear, factor),
            "yarn" => (RopeScaling.Yarn, factor),
            _ => throw new ModelException($"{file.Path}: RoPE is scaled by {ModelException.Quote(type)}; none, linear and yarn are supported"),
        };
    }

    private static double Positive(GgufFile file, string key, double? fallback)
    {
        double? number = file.Metadata.RealOrNull(key) ?? fallback;
        return number switch
        {
            null => throw new ModelException($"{file.Path}: has no metadata '{key}', which the model needs"),
            > 0 and double value => value,
            _ => throw new ModelException(FormattableString.Invariant($"{file.Path}: {key} is {number}, but must be above 0")),
        };
    }
}
