namespace ShadowAttn.Kernels;

/// <summary>
/// How the x64 variants of gather attention use the scratch of a pair: scaled queries in chunks of one register, [chunk][2 rows]; sums of row 0
/// and 1; 1 / (Σ weights + T) of row 0 and 1; weights of row 0 and 1, each those of the shared keys followed by its own.
/// </summary>
internal readonly unsafe struct GatherLayout
{
    /// <summary>Bytes of kept keys and values of one pair beyond which both do not stay in a second-level cache of 1 MB with those of its neighbours.</summary>
    private const long ManyBytes = 768 << 10;

    public readonly float* Queries;
    public readonly float* Sums0;
    public readonly float* Sums1;
    public readonly float* Factors;
    public readonly float* Weights0;
    public readonly float* Weights1;

    public GatherLayout(GatherArguments* a)
    {
        int padded = (a->Dim + 15) & ~15;
        Queries = a->Scratch;
        Sums0 = Queries + (2 * padded);
        Sums1 = Sums0 + padded;
        Factors = Sums1 + padded;
        Weights0 = Factors + 16;
        Weights1 = Weights0 + ((a->Counts.Both + a->Counts.First + 31) & ~15);
    }

    /// <summary>Whether a tile is faster when the keys of all its pairs are read before any values; its first pair speaks for all.</summary>
    public static bool KeysFirst(GatherArguments* pair) =>
        ((long)pair->Counts.Both + pair->Counts.First + pair->Counts.Second) * pair->Dim * 2 * sizeof(float) > ManyBytes;
}
