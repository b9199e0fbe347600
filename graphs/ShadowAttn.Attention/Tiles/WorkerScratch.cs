using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>Rows that see the same values, whatever head of the group they are of.</summary>
/// <param name="Call">The call's number.</param>
/// <param name="KvHead">The KV head.</param>
/// <param name="FirstQuery">The first query of the tile.</param>
/// <param name="Rows">Rows of the tile.</param>
/// <param name="HeadRows">Rows of each head where the tile goes over several.</param>
internal readonly record struct TailRows(long Call, int KvHead, int FirstQuery, int Rows, int HeadRows);

/// <summary>What one worker needs for one tile of rows: masks, lists, scores and accumulators; carved from one aligned buffer.</summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    /// <summary>The most rows that <see cref="Widen"/> takes.</summary>
    public const int WidenedRows = KeyPreparation.ValueBlock;

    private readonly UnmanagedBuffer buffer;

    public WorkerScratch(int keys, int dim, int tileRows, bool scores, DenseAttentionKernel? dense, bool slopes = false, bool bounds = false)
    {
        Words = (keys + 63) / 64;
        ScoreStride = (keys + 63) / 64 * 64;
        nint pairs = (tileRows + 1) / 2;
        nint[] sizes =
        [
            (nint)tileRows * Words * sizeof(ulong),
            (nint)tileRows * sizeof(RowChoice),
            (nint)tileRows * dim * sizeof(float),
            slopes ? (nint)tileRows * dim * sizeof(float) : 0,
            pairs * sizeof(GatherArguments),
            pairs * ListEntries(keys, keys) * sizeof(int),
            pairs * GatherFloats(keys, keys, dim) * sizeof(float),
            (nint)keys * sizeof(ulong),
            MassSelection.Counts * MassSelection.Levels * sizeof(int),
            MassSelection.Levels * sizeof(float),
            2 * (nint)dim * sizeof(double),
            scores ? (nint)tileRows * dim : 0,
            scores ? (nint)tileRows * sizeof(float) : 0,
            scores ? tileRows * ScoreStride : 0,
            dense is { } d ? d.ScratchFloats(d.RowBlock, dim) * sizeof(float) : 0,
            (nint)WidenedRows * dim * sizeof(float),
            (nint)dim * sizeof(float),
            bounds ? 2 * (nint)keys * sizeof(float) : 0,
            pairs * Words * sizeof(SplitCounts),
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
        SlopeQueries = (float*)Take();
        Pairs = (GatherArguments*)Take();
        Lists = (int*)Take();
        Gather = (float*)Take();
        Sort = (ulong*)Take();
        LevelCounts = (int*)Take();
        LevelWeights = (float*)Take();
        Sums = (double*)Take();
        Q8 = (sbyte*)Take();
        RowScales = (float*)Take();
        Scores = (sbyte*)Take();
        Dense = (float*)Take();
        Widened = (float*)Take();
        Row = (float*)Take();
        Lower = (float*)Take();
        Upper = Lower + keys;
        BlockEnds = (SplitCounts*)Take();
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

    /// <summary>The rows that <see cref="TailValues"/> are of.</summary>
    public TailRows TailRows { get; set; }

    /// <summary>[tileRows, dim]: the queries times their factor in the first-order tail; only with that tail.</summary>
    public float* SlopeQueries { get; }

    /// <summary>[tileRows / 2].</summary>
    public GatherArguments* Pairs { get; }

    /// <summary>The key lists of all pairs of a tile, <see cref="ListEntries"/> for each.</summary>
    public int* Lists { get; }

    /// <summary>The scratch of all pairs of a tile, <see cref="GatherFloats"/> for each.</summary>
    public float* Gather { get; }

    /// <summary>[tileRows / 2, Words]: where the lists of a pair stand behind each block of keys.</summary>
    public SplitCounts* BlockEnds { get; }

    /// <summary>[keys]: sortable pairs of score and index.</summary>
    public ulong* Sort { get; }

    /// <summary>[<see cref="MassSelection.Counts"/>, 256]: keys per score level.</summary>
    public int* LevelCounts { get; }

    /// <summary>[256]: the weight of a key at each level.</summary>
    public float* LevelWeights { get; }

    /// <summary>[2, dim]: sums of the values up to the end of what a row sees, and up to its window.</summary>
    public double* Sums { get; }

    /// <summary>[tileRows, dim]; only where the pilot runs on the CPU.</summary>
    public sbyte* Q8 { get; }

    /// <summary>[tileRows]; only where the pilot runs on the CPU.</summary>
    public float* RowScales { get; }

    /// <summary>[tileRows, ScoreStride]; only where the pilot runs on the CPU.</summary>
    public sbyte* Scores { get; }

    /// <summary>Scratch of the dense kernel; only in dense mode.</summary>
    public float* Dense { get; }

    /// <summary>[dim]: one key or value.</summary>
    public float* Row { get; }

    /// <summary>[keys]: lower ends of the logits' intervals; only with a certificate.</summary>
    public float* Lower { get; }

    /// <summary>[keys]: their upper ends; only with a certificate.</summary>
    public float* Upper { get; }

    /// <summary>Time spent on certificates.</summary>
    public long CertificateTicks { get; set; }

    /// <summary>Keys that certificates scored exactly.</summary>
    public long ExactScores { get; set; }

    private float* Widened { get; }

    /// <summary>The first rows as fp32: themselves, or a copy that is valid until the next one is made.</summary>
    public KvRows Widen(in KvRows rows, int count, int dim)
    {
        if (rows.Format == KvFormat.F32)
        {
            return rows;
        }

        rows.Widen(count, dim, Widened, dim);
        return new KvRows(Widened, dim);
    }

    /// <summary>Room for the three lists of a pair of rows that keep so many keys.</summary>
    public static nint ListEntries(int kept0, int kept1) => (nint)kept0 + kept1 + Math.Min(kept0, kept1) + (3 * TopKSelect.ListSlack);

    /// <summary>Scratch of a pair of rows that keep so many keys, in whole lines.</summary>
    public static nint GatherFloats(int kept0, int kept1, int dim) => (GatherAttention.ScratchFloats(kept0 + kept1, dim) + 15) & ~(nint)15;

    public void Dispose() => buffer.Dispose();

    private static nint Align(nint bytes) => (bytes + 63) & ~(nint)63;
}
