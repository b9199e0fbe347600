namespace ShadowAttn.Attention;

/// <summary>The time that one operator of a call took.</summary>
/// <param name="Name">The operator.</param>
/// <param name="Device"><c>cpu</c> or <c>npu</c>.</param>
/// <param name="Milliseconds">Wall time on the NPU; on the CPU the threads' time divided by their number.</param>
public readonly record struct OperatorTime(string Name, string Device, double Milliseconds);

/// <summary>What a call did. One object per operator, filled anew by each call: read it before the next.</summary>
public sealed class AttentionReport
{
    private readonly OperatorTime[] operators = new OperatorTime[12];
    private int operatorCount;

    /// <summary>The operators in the order of the data.</summary>
    public ReadOnlySpan<OperatorTime> Operators => operators.AsSpan(0, operatorCount);

    /// <summary>Wall time of the call in milliseconds.</summary>
    public double TotalMilliseconds { get; internal set; }

    /// <summary>Milliseconds in which the CPU stage had nothing to do but wait for scores.</summary>
    public double ExposedEstimateMilliseconds { get; internal set; }

    /// <summary>Keys kept by all rows.</summary>
    public long KeptKeys { get; internal set; }

    /// <summary>Keys visible to all rows.</summary>
    public long VisibleKeys { get; internal set; }

    /// <summary>Scores at the upper end of their range; counted only when the kept keys are asked for.</summary>
    public long SaturatedScores { get; internal set; }

    /// <summary>Rows that saturated more keys than they keep and were ordered again on the CPU.</summary>
    public long RescoredRows { get; internal set; }

    /// <summary>Keys that got an exact score because their pilot's error might have misplaced them; 0 without <see cref="AttentionOptions.ExactTopK"/>.</summary>
    public long ExactScores { get; internal set; }

    /// <summary>Bytes copied between the stages; 0 when every buffer is used in place.</summary>
    public long BytesCopied { get; internal set; }

    /// <summary>The pilot graphs that the call used.</summary>
    public IReadOnlyList<PilotBucketUse> Buckets { get; internal set; } = [];

    /// <summary>KV heads per pilot graph, as far as there are so many; 0 in modes without a pilot graph.</summary>
    public int HeadsPerGraph { get; internal set; }

    /// <summary>Which memory the pilot's tensors are in, and whether the backend works on it in place; empty in modes without a pilot graph.</summary>
    public string PilotMemory { get; internal set; } = string.Empty;

    internal void Clear()
    {
        operatorCount = 0;
        TotalMilliseconds = 0;
        ExposedEstimateMilliseconds = 0;
        KeptKeys = 0;
        VisibleKeys = 0;
        SaturatedScores = 0;
        RescoredRows = 0;
        ExactScores = 0;
        BytesCopied = 0;
    }

    internal void Add(string name, string device, double milliseconds) => operators[operatorCount++] = new(name, device, milliseconds);

    internal void Add(in TileCounters counters)
    {
        KeptKeys += counters.Kept;
        SaturatedScores += counters.Saturated;
        RescoredRows += counters.Rescored;
        ExactScores += counters.ExactScores;
    }
}

/// <summary>A pilot graph and how often the last call executed it.</summary>
/// <param name="Rows">Query rows of the graph, a group's queries stacked.</param>
/// <param name="Keys">Keys of the graph.</param>
/// <param name="QueryScale">Encoding of the queries.</param>
/// <param name="KeyScale">Encoding of the keys.</param>
/// <param name="OutputScale">Encoding of the scores.</param>
/// <param name="Executions">Executions in one call.</param>
public sealed record PilotBucketUse(int Rows, int Keys, float QueryScale, float KeyScale, float OutputScale, int Executions)
{
    /// <summary>KV heads that one execution scores.</summary>
    public int KvHeads { get; init; } = 1;
}
