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

    /// <summary>
    /// The share of keys that the rows of each query head keep, in (0, 1], instead of <see cref="Keep"/>: [heads], or empty for the same in all heads.
    /// <see cref="CalibrationProfile"/> has such shares.
    /// </summary>
    public ReadOnlyMemory<double> KeepPerHead { get; init; }

    /// <summary>A row keeps at least so many keys: early rows are where a ratio alone does harm.</summary>
    public int MinKeys { get; init; } = 64;

    /// <summary>What happens to the mass of the dropped keys.</summary>
    public TailCompensation Tail { get; init; } = TailCompensation.Linear;

    /// <summary>
    /// Whether rows that see so few keys, or keep so many, that exact attention over all keys is faster, get that: in modes with a pilot. Where a row's
    /// ratio is what is wanted, and not the fastest way, it is false. Not with <see cref="ExactTopK"/>, <see cref="SlidingWindow"/> or <see cref="AlibiSlopes"/>.
    /// </summary>
    public bool Crossover { get; init; } = true;

    /// <summary>Whether the kept keys are certified to be the exact top; for modes with a pilot and keep by share.</summary>
    public ExactTopK ExactTopK { get; init; }

    /// <summary>Whether a query sees only the keys up to its own position; the queries are the last ones of the keys.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>
    /// Sliding window: a query sees at most so many keys, the last of them its own; null for all up to its own. Only with <see cref="Causal"/>.
    /// </summary>
    public int? SlidingWindow { get; init; }

    /// <summary>
    /// ALiBi: head h adds AlibiSlopes[h]·(key - query position) to its logits; empty for none. One slope per query head, not negative
    /// (<see cref="Attention.AlibiSlopes.Standard"/>). Only with <see cref="Causal"/>. Heads with a bias take a portable vector path.
    /// </summary>
    public ReadOnlyMemory<float> AlibiSlopes { get; init; }

    /// <summary>Keep the first so many keys of the sequence in every row that sees them, beside those that the row chooses.</summary>
    public int Sinks { get; init; }

    /// <summary>Keep the last so many keys that a row sees, beside those that it chooses.</summary>
    public int LocalWindow { get; init; }

    /// <summary>What q·k is multiplied with before the softmax; null for 1/√HeadDim.</summary>
    public float? Scale { get; init; }

    /// <summary>CPU threads, the caller's included; 0 for one per core.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Threads to work with instead of own ones, such as <see cref="AttentionWorkers"/> that the operators of all layers share; null to start own ones.
    /// <see cref="Threads"/> must then be 0 or their number. They must outlive the operator.
    /// </summary>
    public IAttentionWorkers? Workers { get; init; }

    /// <summary>How many plans the operator keeps: one per shape of a call, the least recently used one makes room.</summary>
    public int MaxPlans { get; init; } = 4;

    /// <summary>Which encodings the pilot graphs bake in.</summary>
    public PilotBuckets Buckets { get; init; } = PilotBuckets.Universal;

    /// <summary>In which order mode <see cref="AttentionMode.Shadow"/> takes KV heads and blocks of queries; the output is the same.</summary>
    public HeadSchedule Schedule { get; init; }

    /// <summary>
    /// KV heads that one execution of a pilot graph scores: 1, 2 or 4. The output is the same; where a launch costs much, fewer of them take less time.
    /// </summary>
    public int HeadsPerGraph { get; init; } = 1;

    internal float EffectiveScale => Scale ?? (float)(1 / Math.Sqrt(HeadDim));

    internal bool HasMaskBeyondCausal => SlidingWindow is not null || !AlibiSlopes.IsEmpty;

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

        ValidateKeepPerHead();
        if (Scale is { } scale && !float.IsFinite(scale))
        {
            throw new ArgumentException($"{nameof(Scale)} ({scale}) must be finite");
        }

        ArgumentOutOfRangeException.ThrowIfNegative(Sinks);
        ArgumentOutOfRangeException.ThrowIfNegative(LocalWindow);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPlans, 1);
        if (Workers is { } workers && (workers.Threads is < 1 or > MaxThreads || (Threads != 0 && Threads != workers.Threads)))
        {
            throw new ArgumentException($"{nameof(Workers)} has {workers.Threads} threads; they must be 1 to {MaxThreads}, and {nameof(Threads)} 0 or the same");
        }

        ValidateMasks();
        if (ExactTopK != ExactTopK.None && (!UsesPilot || Keep.IsMass))
        {
            throw new ArgumentException($"{nameof(ExactTopK)} is for modes {AttentionMode.Shadow} and {AttentionMode.ShadowCpu} that keep a share of the keys");
        }

        if (HeadsPerGraph is not (1 or 2 or 4))
        {
            throw new ArgumentException($"{nameof(HeadsPerGraph)} ({HeadsPerGraph}) must be 1, 2 or 4");
        }

        if (HeadsPerGraph > 1 && Buckets == PilotBuckets.Paper)
        {
            throw new ArgumentException($"{nameof(HeadsPerGraph)} ({HeadsPerGraph}) needs the universal pilot: the paper's buckets are a graph per head");
        }

        if (Mode == AttentionMode.BlockSparse && Keep.IsMass)
        {
            throw new ArgumentException($"mode {Mode} keeps a share of the keys, not of the mass");
        }

        if (Mode == AttentionMode.Shadow && Buckets == PilotBuckets.Paper && Keep.IsMass)
        {
            throw new ArgumentException("Keep by mass needs the universal pilot: the paper's buckets keep a share of the keys");
        }
    }

    private void ValidateKeepPerHead()
    {
        if (KeepPerHead.IsEmpty)
        {
            return;
        }

        if (KeepPerHead.Length != Heads || Keep.IsMass)
        {
            throw new ArgumentException(Keep.IsMass
                ? $"{nameof(KeepPerHead)} has shares of the keys; {nameof(Keep)} must not be a share of the mass"
                : $"{nameof(KeepPerHead)} has {KeepPerHead.Length} shares; there are {Heads} query heads");
        }

        foreach (double share in KeepPerHead.Span)
        {
            if (share is not (> 0 and <= 1))
            {
                throw new ArgumentException($"{nameof(KeepPerHead)} has {share}; every share must be above 0 and at most 1");
            }
        }
    }

    private void ValidateMasks()
    {
        if (SlidingWindow is < 1)
        {
            throw new ArgumentException($"{nameof(SlidingWindow)} ({SlidingWindow}) must be at least 1");
        }

        if (!AlibiSlopes.IsEmpty && AlibiSlopes.Length != Heads)
        {
            throw new ArgumentException($"{nameof(AlibiSlopes)} has {AlibiSlopes.Length} slopes; there are {Heads} query heads");
        }

        foreach (float slope in AlibiSlopes.Span)
        {
            if (!(slope >= 0) || !float.IsFinite(slope))
            {
                throw new ArgumentException($"{nameof(AlibiSlopes)} has {slope}; every slope must be finite and not negative");
            }
        }

        if (!Causal && HasMaskBeyondCausal)
        {
            throw new ArgumentException($"{nameof(SlidingWindow)} and {nameof(AlibiSlopes)} need {nameof(Causal)}: they count from the query's own key");
        }

        if (Mode == AttentionMode.NpuInt8 && HasMaskBeyondCausal)
        {
            throw new ArgumentException($"mode {Mode} has no {nameof(SlidingWindow)} and no {nameof(AlibiSlopes)}");
        }
    }

    /// <summary>The largest head dimension; the pilot's int32 sums and shifts are sized for it.</summary>
    public const int MaxHeadDim = 4096;

    /// <summary>The most CPU threads that can be asked for.</summary>
    public const int MaxThreads = 256;
}
