using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>A few neighbouring query rows of one head with their pilot scores: what a worker takes at a time.</summary>
internal unsafe struct Tile
{
    public int Head;
    public int FirstQuery;
    public int Rows;

    /// <summary>Rows of each head where the tile goes over several heads of a group; 0 where all are of <see cref="Head"/>.</summary>
    public int HeadRows;

    /// <summary>Pilot scores [Rows, visible keys of the last row].</summary>
    public sbyte* Scores;

    /// <summary>Bytes between rows of <see cref="Scores"/>.</summary>
    public nint ScoreStride;

    /// <summary>Quantised queries [Rows, dim], contiguous.</summary>
    public sbyte* Q8;

    /// <summary>What one step of q8 means, [Rows].</summary>
    public float* RowScales;

    /// <summary>What one score means in units of q8·k8: 2^b for the universal pilot.</summary>
    public float ScoreUnit;

    /// <summary>The query head of a row.</summary>
    public readonly int HeadOf(int row) => HeadRows == 0 ? Head : Head + (row / HeadRows);

    /// <summary>The query of a row.</summary>
    public readonly int QueryOf(int row) => FirstQuery + (HeadRows == 0 ? row : row % HeadRows);
}

/// <summary>Selection and exact attention for a tile of rows whose pilot scores are there.</summary>
internal sealed unsafe class TileStage(AttentionCall call, RowSelector selector, StageClock clock, bool tail, TailSlopes? slopes)
{
    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly GatherAttentionKernel gather = GatherAttention.Kernels.Best.Kernel;
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly DenseProductKernel product = DenseProduct.Kernels.Best.Kernel;

    /// <summary>Selects and attends; adds to <paramref name="counters"/>.</summary>
    public void Process(int worker, in Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        long time = StageClock.Now;
        SelectRows(tile, scratch, ref counters);
        time = clock.Add(worker, Stage.Select, time);
        if (tail)
        {
            TailValues(tile, scratch);
            if (slopes is not null)
            {
                AddSlopes(tile, scratch, slopes);
            }

            time = clock.Add(worker, Stage.Tail, time);
        }

        int* lists = scratch.Lists;
        float* gatherScratch = scratch.Gather;
        int pairs = 0;
        for (int row = 0; row < tile.Rows; row += 2)
        {
            scratch.Pairs[pairs++] = Pair(tile, row, scratch, ref lists, ref gatherScratch);
        }

        gather.AttendTile(scratch.Pairs, pairs);
        clock.Add(worker, Stage.Gather, time);
    }

    private void SelectRows(in Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        int kvHead = tile.Head / call.Group;
        KeyTables keys = call.Tables;
        float* mean = keys.Mean + ((nint)kvHead * call.Dim);
        ReadOnlySpan<KeyOutlier> outliers = keys.Outliers(kvHead);
        int guess = counters.Guess;
        int rescored = 0;
        for (int row = 0; row < tile.Rows; row++)
        {
            int head = tile.HeadOf(row);
            int query = tile.QueryOf(row);
            float* q = call.Query(head, query);
            RowPilot pilot = new()
            {
                Scores = tile.Scores + (row * tile.ScoreStride),
                Visible = call.Visible(query),
                KeepAll = call.Visible(query) < call.KeepAllBelow,
                Q8 = tile.Q8 + ((nint)row * call.Dim),
                K8 = keys.K8(kvHead),
                Query = q,
                Keys = call.KeyRows(kvHead),
                Step = tile.RowScales[row] * keys.KeyScale[kvHead] * tile.ScoreUnit * call.Scale,
                Origin = VectorDot.Float(q, mean, call.Dim) * call.Scale,
            };
            RescaleOutliers(pilot, outliers);
            ulong* mask = scratch.Masks + ((nint)row * scratch.Words);
            RowChoice choice = selector.Select(pilot, outliers, scratch, mask, ref guess, ref rescored);
            scratch.Choices[row] = choice;
            counters.Kept += choice.Kept;
            if (call.Kept is { } kept)
            {
                counters.Saturated += new ReadOnlySpan<sbyte>(pilot.Scores, pilot.Visible).Count((sbyte)127);
                new ReadOnlySpan<ulong>(mask, (pilot.Visible + 63) / 64).CopyTo(kept.Row(head, query));
            }
        }

        counters.Guess = guess;
        counters.Rescored += rescored;
    }

    /// <summary>Brings the scores of keys that were quantised in larger steps to the steps of the others.</summary>
    private static void RescaleOutliers(in RowPilot pilot, ReadOnlySpan<KeyOutlier> outliers)
    {
        if (pilot.KeepAll)
        {
            return;
        }

        foreach (KeyOutlier outlier in outliers)
        {
            if (outlier.Key >= pilot.Visible)
            {
                break;
            }

            ref sbyte score = ref pilot.Scores[outlier.Key];
            score = (sbyte)Math.Clamp(score << outlier.Shift, -128, 127);
        }
    }

    /// <summary>The mean of the values that each row sees: the nearest prefix sum, then one row more at a time.</summary>
    private void TailValues(in Tile tile, WorkerScratch scratch)
    {
        int dim = call.Dim;
        int kvHead = tile.Head / call.Group;
        KvRows values = call.ValueRows(kvHead);
        int added = 0;
        for (int row = 0; row < tile.Rows; row++)
        {
            int visible = call.Visible(tile.QueryOf(row));
            if (row == 0 || visible < added)
            {
                int block = visible / KeyTables.ValueBlock;
                new ReadOnlySpan<double>(call.Tables.ValuePrefix(kvHead, block), dim).CopyTo(new Span<double>(scratch.Sums, dim));
                added = block * KeyTables.ValueBlock;
            }

            KvRows next = scratch.Widen(values.From(added), visible - added, dim);
            stats.AddSums(next.Floats, next.Stride, visible - added, dim, scratch.Sums);
            added = visible;
            float* mean = scratch.TailValues + ((nint)row * dim);
            double inverse = 1.0 / visible;
            for (int d = 0; d < dim; d++)
            {
                mean[d] = (float)(scratch.Sums[d] * inverse);
            }
        }
    }

    /// <summary>Adds TailSlope·q·C to the tail's value of each row; rows that share a C go through one product.</summary>
    private void AddSlopes(in Tile tile, WorkerScratch scratch, TailSlopes tailSlopes)
    {
        int dim = call.Dim;
        int kvHead = tile.Head / call.Group;
        for (int row = 0, next; row < tile.Rows; row = next)
        {
            int position = TailBlocks.Position(call.Visible(tile.QueryOf(row)));
            bool needed = false;
            for (next = row; next < tile.Rows && TailBlocks.Position(call.Visible(tile.QueryOf(next))) == position; next++)
            {
                ScaleRow(call.Query(tile.HeadOf(next), tile.QueryOf(next)), scratch.Choices[next].TailSlope, dim, scratch.SlopeQueries + ((nint)next * dim));
                needed |= scratch.Choices[next].TailSlope != 0;
            }

            if (position > 0 && needed)
            {
                nint offset = (nint)row * dim;
                float* slope = tailSlopes.Slope(kvHead, position);
                product.Add(scratch.SlopeQueries + offset, dim, 1, next - row, dim, slope, dim, dim, scratch.TailValues + offset, dim);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScaleRow(float* x, float factor, int dim, float* y)
    {
        if (factor == 0)
        {
            new Span<float>(y, dim).Clear();
            return;
        }

        int d = 0;
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            (Vector.Load(x + d) * factor).Store(y + d);
        }

        for (; d < dim; d++)
        {
            y[d] = factor * x[d];
        }
    }

    /// <summary>What the gather kernel needs for two rows; their lists and scratch are taken from what is left of the tile's.</summary>
    private GatherArguments Pair(in Tile tile, int row, WorkerScratch scratch, ref int* lists, ref float* gatherScratch)
    {
        int kvHead = tile.Head / call.Group;
        bool pair = row + 1 < tile.Rows;
        int kept0 = scratch.Choices[row].Kept;
        int kept1 = pair ? scratch.Choices[row + 1].Kept : 0;
        ulong* mask0 = scratch.Masks + ((nint)row * scratch.Words);
        ulong* mask1 = mask0 + scratch.Words;
        int words = (call.Visible(tile.QueryOf(row)) + 63) / 64;
        int* first = lists + Math.Min(kept0, kept1) + TopKSelect.ListSlack;
        GatherArguments arguments = new()
        {
            Row0 = Row(tile, row, scratch),
            Both = lists,
            First = first,
            Second = first + kept0 + TopKSelect.ListSlack,
            Keys = call.KeyRows(kvHead),
            Values = call.ValueRows(kvHead),
            Dim = call.Dim,
            Scale = call.Scale,
            Scratch = gatherScratch,
        };
        if (pair)
        {
            int words1 = (call.Visible(tile.QueryOf(row + 1)) + 63) / 64;
            for (; words < words1; words++)
            {
                mask0[words] = 0;
            }

            new Span<ulong>(mask1 + words1, words - words1).Clear();

            arguments.Row1 = Row(tile, row + 1, scratch);
        }
        else
        {
            mask1 = (ulong*)scratch.Sort;
            new Span<ulong>(mask1, words).Clear();
        }

        SplitCounts counts;
        select.Split(mask0, mask1, words, arguments.Both, arguments.First, arguments.Second, &counts);
        arguments.Counts = counts;
        lists += WorkerScratch.ListEntries(kept0, kept1);
        gatherScratch += WorkerScratch.GatherFloats(kept0, kept1, call.Dim);
        return arguments;
    }

    private GatherRow Row(in Tile tile, int row, WorkerScratch scratch) => new()
    {
        Query = call.Query(tile.HeadOf(row), tile.QueryOf(row)),
        Output = call.Output(tile.HeadOf(row), tile.QueryOf(row)),
        TailSum = scratch.Choices[row].TailSum,
        TailLogit = scratch.Choices[row].TailLogit,
        TailLimit = call.Visible(tile.QueryOf(row)) - scratch.Choices[row].Kept,
        TailValue = scratch.TailValues + ((nint)row * call.Dim),
    };
}

/// <summary>What a worker counts while it works; added up when the call ends.</summary>
internal struct TileCounters
{
    public long Kept;
    public long Saturated;
    public long Rescored;
    public int Guess;
}
