using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>
/// How the x64 variants of gather attention use the scratch of a pair: scaled queries in chunks of one register, [chunk][2 rows]; sums of row 0
/// and 1; 1 / (Σ weights + T) of row 0 and 1; weights of row 0 and 1, each those of the shared keys followed by its own; copies of the three
/// lists, each followed by <see cref="Padding"/> times its last entry, so that loops may look ahead without a check.
/// </summary>
internal readonly unsafe struct GatherLayout
{
    /// <summary>Entries behind each list.</summary>
    public const int Padding = 16;

    /// <summary>
    /// Bytes of kept keys and values of one pair beyond which both do not stay in a second-level cache of 1 MB with those of its neighbours.
    /// </summary>
    private const long ManyBytes = 768 << 10;

    public readonly float* Queries;
    public readonly float* Sums0;
    public readonly float* Sums1;
    public readonly float* Factors;
    public readonly float* Weights0;
    public readonly float* Weights1;
    public readonly int* Both;
    public readonly int* First;
    public readonly int* Second;

    public GatherLayout(GatherArguments* a)
    {
        SplitCounts counts = a->Counts;
        int padded = (a->Dim + 15) & ~15;
        Queries = a->Scratch;
        Sums0 = Queries + (2 * padded);
        Sums1 = Sums0 + padded;
        Factors = Sums1 + padded;
        Weights0 = Factors + 16;
        Weights1 = Weights0 + Room(counts.Both + counts.First);
        Both = (int*)(Weights1 + Room(counts.Both + counts.Second));
        First = Both + Room(counts.Both);
        Second = First + Room(counts.First);
    }

    /// <summary>Whether a tile is faster when the keys of all its pairs are read before any values; its first pair speaks for all.</summary>
    public static bool KeysFirst(GatherArguments* pair) =>
        ((long)pair->Counts.Both + pair->Counts.First + pair->Counts.Second) * pair->Dim * 2 * sizeof(float) > ManyBytes;

    /// <summary>Copies the lists with their padding.</summary>
    public void CopyLists(GatherArguments* a)
    {
        Copy(a->Both, a->Counts.Both, Both);
        Copy(a->First, a->Counts.First, First);
        Copy(a->Second, a->Counts.Second, Second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(int* list, int count, int* copy)
    {
        if (count != 0)
        {
            new ReadOnlySpan<int>(list, count).CopyTo(new Span<int>(copy, count));
            new Span<int>(copy + count, Padding).Fill(list[count - 1]);
        }
    }

    /// <summary>Elements for so many and one register or the padding behind them, in whole registers.</summary>
    private static nint Room(int count) => ((nint)count + 31) & ~15;
}
