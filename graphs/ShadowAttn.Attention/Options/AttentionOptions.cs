namespace ShadowAttn.Attention;

/// <summary>What a <see cref="ShadowAttention"/> computes and how.</summary>
public sealed record AttentionOptions
{
    /// <summary>Query heads; a multiple of <see cref="KvHeads"/>.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads; query head h uses KV head h·KvHeads / Heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Channels of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Which way to compute; <see cref="AttentionMode.Shadow"/> needs a QNN backend.</summary>
    public AttentionMode Mode { get; init; } = AttentionMode.Shadow;

    /// <summary>How many keys a row keeps.</summary>
    public KeepRatio Keep { get; init; } = KeepRatio.Share(0.2);

    /// <summary>A row keeps at least so many keys: early rows are where a ratio alone does harm.</summary>
    public int MinKeys { get; init; } = 64;

    /// <summary>What happens to the mass of the dropped keys.</summary>
    public TailCompensation Tail { get; init; } = TailCompensation.Linear;

    /// <summary>Whether a query sees only the keys up to its own position; the queries are the last ones of the keys.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>What q·k is multiplied with before the softmax; null for 1/√HeadDim.</summary>
    public float? Scale { get; init; }

    /// <summary>CPU threads, the caller's included; 0 for one per core.</summary>
    public int Threads { get; init; }

    /// <summary>Which encodings the pilot graphs bake in.</summary>
    public PilotBuckets Buckets { get; init; } = PilotBuckets.Universal;

    internal float EffectiveScale => Scale ?? (float)(1 / Math.Sqrt(HeadDim));

    internal bool UsesPilot => Mode is AttentionMode.Shadow or AttentionMode.ShadowCpu;

    internal int Group => Heads / KvHeads;

    /// <summary>Throws when a value is out of its range, with the option's name and what would be right.</summary>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(KvHeads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(HeadDim, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(HeadDim, MaxHeadDim);
        ArgumentOutOfRangeException.ThrowIfLessThan(MinKeys, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Threads, MaxThreads);
        if (Heads % KvHeads != 0)
        {
            throw new ArgumentException($"{nameof(Heads)} ({Heads}) must be a multiple of {nameof(KvHeads)} ({KvHeads})");
        }

        if (Keep.Value == 0)
        {
            throw new ArgumentException($"{nameof(Keep)} must be KeepRatio.Share or KeepRatio.Mass of a value in (0, 1]");
        }

        if (Scale is { } scale && !float.IsFinite(scale))
        {
            throw new ArgumentException($"{nameof(Scale)} ({scale}) must be finite");
        }

        if (Mode == AttentionMode.Shadow && Buckets == PilotBuckets.Paper && Keep.IsMass)
        {
            throw new ArgumentException("Keep by mass needs the universal pilot: the paper's buckets keep a share of the keys");
        }
    }

    /// <summary>The largest head dimension; the pilot's int32 sums and shifts are sized for it.</summary>
    public const int MaxHeadDim = 4096;

    /// <summary>The most CPU threads that can be asked for.</summary>
    public const int MaxThreads = 256;
}
