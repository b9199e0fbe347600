using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>What one worker needs for one tile of rows: masks, lists, scores and accumulators; carved from one aligned buffer.</summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    private readonly UnmanagedBuffer buffer;

    public WorkerScratch(int keys, int dim, int tileRows, bool scores, DenseAttentionKernel? dense)
    {
        Words = (keys + 63) / 64;
        ScoreStride = (keys + 63) / 64 * 64;
        nint listBytes = ((nint)keys + TopKSelect.ListSlack) * sizeof(int);
        nint[] sizes =
        [
            (nint)tileRows * Words * sizeof(ulong),
            (nint)tileRows * sizeof(RowChoice),
            (nint)tileRows * dim * sizeof(float),
            listBytes,
            listBytes,
            listBytes,
            GatherAttention.ScratchFloats(2 * keys, dim) * sizeof(float),
            (nint)keys * sizeof(ulong),
            256 * sizeof(int),
            (nint)dim * sizeof(double),
            scores ? (nint)tileRows * dim : 0,
            scores ? (nint)tileRows * sizeof(float) : 0,
            scores ? tileRows * ScoreStride : 0,
            dense is { } d ? d.ScratchFloats(d.RowBlock, dim) * sizeof(float) : 0,
        ];

        nint total = 0;
        foreach (nint size in sizes)
        {
            total = checked(total + Align(size));
        }

        buffer = UnmanagedBuffer.Allocate(total);
        byte* next = (byte*)buffer.Pointer;
        int part = 0;
        byte* Take()
        {
            byte* start = next;
            next += Align(sizes[part++]);
            return start;
        }

        Masks = (ulong*)Take();
        Choices = (RowChoice*)Take();
        TailValues = (float*)Take();
        Both = (int*)Take();
        First = (int*)Take();
        Second = (int*)Take();
        Gather = (float*)Take();
        Sort = (ulong*)Take();
        Levels = (int*)Take();
        Sums = (double*)Take();
        Q8 = (sbyte*)Take();
        RowScales = (float*)Take();
        Scores = (sbyte*)Take();
        Dense = (float*)Take();
    }

    /// <summary>Words of a row's mask.</summary>
    public int Words { get; }

    /// <summary>Bytes between rows of <see cref="Scores"/>.</summary>
    public nint ScoreStride { get; }

    /// <summary>[tileRows, Words].</summary>
    public ulong* Masks { get; }

    /// <summary>[tileRows].</summary>
    public RowChoice* Choices { get; }

    /// <summary>[tileRows, dim]: the mean of the values that each row sees.</summary>
    public float* TailValues { get; }

    public int* Both { get; }

    public int* First { get; }

    public int* Second { get; }

    public float* Gather { get; }

    /// <summary>[keys]: sortable pairs of score and index.</summary>
    public ulong* Sort { get; }

    /// <summary>[256]: keys per score level.</summary>
    public int* Levels { get; }

    /// <summary>[dim].</summary>
    public double* Sums { get; }

    /// <summary>[tileRows, dim]; only where the pilot runs on the CPU.</summary>
    public sbyte* Q8 { get; }

    /// <summary>[tileRows]; only where the pilot runs on the CPU.</summary>
    public float* RowScales { get; }

    /// <summary>[tileRows, ScoreStride]; only where the pilot runs on the CPU.</summary>
    public sbyte* Scores { get; }

    /// <summary>Scratch of the dense kernel; only in dense mode.</summary>
    public float* Dense { get; }

    public void Dispose() => buffer.Dispose();

    private static nint Align(nint bytes) => (bytes + 63) & ~(nint)63;
}
