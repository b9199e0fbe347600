using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>
/// What the x64 variants of gather attention keep of a pair at the start of its scratch, with pointers to the rest: scaled queries in chunks of 16
/// channels, [chunk][2 rows][16]; sums of row 0 and 1; weights of the shared keys for row 0 and 1; weights of each row's own keys. Each list is
/// followed by <see cref="Padding"/> times its last entry, so that loops may look ahead without a check. The pointers to lists and weights move on
/// block by block.
/// </summary>
internal unsafe struct GatherState
{
    /// <summary>Entries behind each list.</summary>
    public const int Padding = TopKSelect.ListSlack;

    /// <summary>Floats that the state itself takes, in whole lines.</summary>
    private const int StateFloats = 64;

    public int* Both;
    public int* First;
    public int* Second;
    public float* Weights0;
    public float* Weights1;
    public float* FirstWeights;
    public float* SecondWeights;

    /// <summary>Entries of each list that the pointers have passed.</summary>
    public SplitCounts Done;

    /// <summary>Entries of each list. A pair of one row has only <see cref="First"/>.</summary>
    public SplitCounts Counts;

    /// <summary>Blocks of keys; at least 1.</summary>
    public int Blocks;
    public float* Queries;
    public float* Sums0;
    public float* Sums1;
    public float Factor0;
    public float Factor1;
    public float Tail0;
    public float Tail1;

    /// <summary>The state of a pair; filled by <see cref="Begin"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GatherState* Of(GatherArguments* a) => (GatherState*)a->Scratch;

    /// <summary>Lays the scratch out and pads the lists; those of a pair of one row are put together, copied where both have keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static GatherState* Begin(GatherArguments* a)
    {
        GatherState* s = Of(a);
        SplitCounts counts = a->Counts;
        bool pair = a->Row1.Query is not null;
        s->Blocks = pair || counts.Both == 0 ? Math.Max(a->Blocks, 1) : 1;
        s->Counts = pair ? counts : new SplitCounts { First = counts.Both + counts.First };
        s->Done = default;
        int padded = (a->Dim + 31) & ~31;
        s->Queries = a->Scratch + StateFloats;
        s->Sums0 = s->Queries + (2 * padded);
        s->Sums1 = s->Sums0 + padded;
        s->Weights0 = s->Sums1 + padded;
        s->Weights1 = s->Weights0 + Room(s->Counts.Both);
        s->FirstWeights = s->Weights1 + Room(s->Counts.Both);
        s->SecondWeights = s->FirstWeights + Room(s->Counts.First);
        s->Both = a->Both;
        s->First = a->First;
        s->Second = a->Second;
        if (pair)
        {
            Pad(s->Both, counts.Both);
            Pad(s->Second, counts.Second);
        }
        else if (counts.Both != 0)
        {
            s->First = (int*)(s->SecondWeights + Room(s->Counts.Second));
            new ReadOnlySpan<int>(a->Both, counts.Both).CopyTo(new Span<int>(s->First, counts.Both));
            new ReadOnlySpan<int>(a->First, counts.First).CopyTo(new Span<int>(s->First + counts.Both, counts.First));
        }

        Pad(s->First, s->Counts.First);

        new Span<float>(s->Sums0, 2 * padded).Clear();
        return s;
    }

    /// <summary>Moves the pointers on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(in SplitCounts by)
    {
        Both += by.Both;
        Weights0 += by.Both;
        Weights1 += by.Both;
        First += by.First;
        FirstWeights += by.First;
        Second += by.Second;
        SecondWeights += by.Second;
        Done.Both += by.Both;
        Done.First += by.First;
        Done.Second += by.Second;
    }

    /// <summary>Moves the pointers back to the start.</summary>
    public void Rewind() => Advance(new SplitCounts { Both = -Done.Both, First = -Done.First, Second = -Done.Second });

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pad(int* list, int count)
    {
        if (count != 0)
        {
            new Span<int>(list + count, Padding).Fill(list[count - 1]);
        }
    }

    /// <summary>Elements for so many and one register or the padding behind them, in whole registers.</summary>
    private static nint Room(int count) => ((nint)count + 31) & ~15;
}
