namespace ShadowAttn.Attention;

/// <summary>The order in which the pipeline of mode <see cref="AttentionMode.Shadow"/> takes KV heads and blocks of queries. It does not change the output.</summary>
public enum HeadSchedule
{
    /// <summary>Johnson's rule for two machines in a row, which gives the shortest schedule: <see cref="FlowShop"/>.</summary>
    Johnson,

    /// <summary>One after the other, whichever leaves the stages idle the least.</summary>
    Greedy,

    /// <summary>As they come: head by head, block by block.</summary>
    Fifo,
}
