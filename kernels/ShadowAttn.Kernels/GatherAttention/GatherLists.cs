namespace ShadowAttn.Kernels;

/// <summary>The three key lists of a pair, padded as <see cref="GatherLayout"/> says.</summary>
internal unsafe struct GatherLists
{
    public int* Both;
    public int* First;
    public int* Second;
    public SplitCounts Counts;
}
