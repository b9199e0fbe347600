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

    /// <summary>Float estimates in rows; null where the pilot is 8-bit. Then <see cref="Steps"/> and <see cref="Origins"/> say what the scores mean.</summary>
    public float* Estimates;

    /// <summary>Elements between rows of <see cref="Estimates"/>.</summary>
    public nint EstimateStride;

    /// <summary>[Rows]: the logit of one score step.</summary>
    public float* Steps;

    /// <summary>[Rows]: the logit of score 0.</summary>
    public float* Origins;

    /// <summary>The query head of a row.</summary>
    public readonly int HeadOf(int row) => HeadRows == 0 ? Head : Head + (row / HeadRows);

    /// <summary>The query of a row.</summary>
    public readonly int QueryOf(int row) => FirstQuery + (HeadRows == 0 ? row : row % HeadRows);
}

/// <summary>Selection and exact attention for a tile of rows whose pilot scores are there.</summary>
internal sealed unsafe class TileStage(AttentionCall call, IRowSelector selector, StageClock clock, bool tail, TailSlopes? slopes)
{
    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly GatherAttentionKernel gather = GatherAttention.Kernels.Best.Kernel;
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly BiasedAttention biased = new();
    private readonly bool needsOrigin = selector.NeedsOrigin;

    /// <summary>
    /// [heads]: the threshold of the last row of each head, where the search for the next one's starts: a step of decode starts where the step before
    /// ended. Workers may take each other's; it changes the time only.
    /// </summary>
    private readonly int[] guesses = new int[call.Heads];
    private readonly DenseProductKernel product = DenseProduct.Kernels.Best.Kernel;

    /// <summary>Selects and attends; adds to <paramref name="counters"/>.</summary>
    public void Process(int worker, in Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        long time = StageClock.Now;
        scratch.CertificateTicks = 0;
        scratch.ExactScores = 0;
        SelectRows(tile, scratch, ref counters);
        counters.ExactScores += scratch.ExactScores;
        time = clock.Add(worker, Stage.Select, time, Stage.Certify, scratch.CertificateTicks);
        if (tail && NeedsScores(tile))
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

        if (call.Slopes.IsEmpty)
        {
            gather.AttendTile(scratch.Pairs, pairs);
        }
        else
        {
            AttendBiased(tile, scratch);
        }

        clock.Add(worker, Stage.Gather, time);
        int perHead = tile.HeadRows == 0 ? tile.Rows : tile.HeadRows;
        for (int row = 0; row < tile.Rows; row += perHead)
        {
            call.Progress.Done(tile.HeadOf(row), perHead);
        }
    }

    /// <summary>Whether a row of the tile drops keys.</summary>
    public bool NeedsScores(in Tile tile)
    {
        int last = tile.QueryOf(tile.Rows - 1);
        for (int head = tile.Head; head <= tile.HeadOf(tile.Rows - 1); head++)
        {
            if (!call.KeepsAll(head, last))
            {
                return true;
            }
        }

        return false;
    }

    private void SelectRows(in Tile tile, WorkerScratch scratch, ref TileCounters counters)
    {
        int guess = 0;
        int rescored = 0;
        ReadOnlySpan<KeyOutlier> outliers = call.Tables is { } tables ? tables.Outliers(tile.Head / call.Group) : [];
        for (int row = 0; row < tile.Rows; row++)
        {
            RowPilot pilot = Pilot(tile, row);
            guess = row == 0 || pilot.Head != tile.HeadOf(row - 1) ? guesses[pilot.Head] : guess;
            if (!pilot.KeepAll)
            {
                RescaleOutliers(pilot, outliers);
                AddBias(pilot);
                new Span<sbyte>(pilot.Scores, pilot.Hidden).Fill(sbyte.MinValue);
            }

            ulong* rowMask = scratch.Masks + ((nint)row * scratch.Words);
            new Span<ulong>(rowMask, pilot.Start / 64).Clear();
            RowChoice choice = selector.Select(pilot, outliers, scratch, rowMask + (pilot.Start / 64), ref guess, ref rescored);
            guesses[pilot.Head] = guess;
            scratch.Choices[row] = choice;
            counters.Kept += choice.Kept;
            if (call.Kept is { } kept)
            {
                counters.Saturated += pilot.KeepAll ? 0 : new ReadOnlySpan<sbyte>(pilot.Scores, pilot.Visible).Count((sbyte)127);
                int words = (pilot.Start + pilot.Visible + 63) / 64;
                new ReadOnlySpan<ulong>(rowMask, words).CopyTo(kept.Row(tile.HeadOf(row), tile.QueryOf(row)));
            }
        }

        counters.Rescored += rescored;
    }

    private RowPilot Pilot(in Tile tile, int row)
    {
        int head = tile.HeadOf(row);
        int query = tile.QueryOf(row);
        int kvHead = head / call.Group;
        int start = call.First(query) & ~63;
        RowPilot pilot = new()
        {
            Head = head,
            Start = start,
            Visible = call.Visible(query) - start,
            Hidden = call.First(query) - start,
            Sinks = call.Sinks,
            LocalWindow = call.LocalWindow,
            KeepAll = call.KeepsAll(head, query),
            Query = call.Query(head, query),
            Keys = call.KeyRows(kvHead).From(start),
            Slope = call.Slope(head),
        };
        if (tile.Estimates is not null)
        {
            pilot.Scores = tile.Scores + (row * tile.ScoreStride) + start;
            pilot.Estimates = tile.Estimates + (row * tile.EstimateStride) + (start / selector.KeysPerEstimate);
            pilot.Step = tile.Steps[row];
            pilot.Origin = tile.Origins[row];
        }
        else if (!pilot.KeepAll)
        {
            KeyTables keys = call.Tables;
            pilot.Scores = tile.Scores + (row * tile.ScoreStride) + start;
            pilot.Q8 = tile.Q8 + ((nint)row * call.Dim);
            pilot.K8 = keys.K8(kvHead) + ((nint)start * call.Dim);
            pilot.QueryScale = tile.RowScales[row];
            pilot.KeyResiduals = keys.Residuals(kvHead) is var residuals && residuals is not null ? residuals + start : null;
            pilot.KeyNorms = keys.Norms(kvHead) is var norms && norms is not null ? norms + start : null;
            pilot.Step = tile.RowScales[row] * keys.KeyScale[kvHead] * tile.ScoreUnit * call.Scale;
            pilot.ProductsPerLogit = tile.ScoreUnit / pilot.Step;
            if (needsOrigin)
            {
                pilot.Origin = VectorDot.Float(pilot.Query, keys.Mean + ((nint)kvHead * call.Dim), call.Dim) * call.Scale;
            }
        }

        return pilot;
    }

    /// <summary>Brings the scores of keys that were quantised in larger steps to the steps of the others.</summary>
    private static void RescaleOutliers(in RowPilot pilot, ReadOnlySpan<KeyOutlier> outliers)
    {
        foreach (KeyOutlier outlier in outliers)
        {
            int key = outlier.Key - pilot.Start;
            if (key >= pilot.Visible)
            {
                break;
            }

            if (key >= 0)
            {
                ref sbyte score = ref pilot.Scores[key];
                score = (sbyte)Math.Clamp(score << outlier.Shift, -128, 127);
            }
        }
    }

    /// <summary>Adds ALiBi's bias to the scores, rounded to their steps: so selection and tail have it in them.</summary>
    private static void AddBias(in RowPilot pilot)
    {
        if (pilot.Slope == 0 || pilot.Estimates is not null)
        {
            return;
        }

        float perKey = pilot.Slope / pilot.Step;
        for (int key = pilot.Hidden; key < pilot.Visible - 1; key++)
        {
            float bias = MathF.Max(perKey * (key - (pilot.Visible - 1)), -256);
            pilot.Scores[key] = (sbyte)Math.Clamp(pilot.Scores[key] + (int)MathF.Round(bias), -128, 127);
        }
    }

    /// <summary>
    /// The mean of the values that each row sees: the nearest prefix sum, then one row more at a time; with a sliding window less the sum of those
    /// before it. The heads of a group have the same: what is there from the head before stays, unless slopes were added to it.
    /// </summary>
    private void TailValues(in Tile tile, WorkerScratch scratch)
    {
        int dim = call.Dim;
        int kvHead = tile.Head / call.Group;
        TailRows rows = new(call.Number, kvHead, tile.FirstQuery, tile.Rows, tile.HeadRows);
        if (slopes is null && scratch.TailRows == rows)
        {
            return;
        }

        scratch.TailRows = rows;
        int added = int.MaxValue;
        int before = int.MaxValue;
        double* sumsBefore = scratch.Sums + dim;
        for (int row = 0; row < tile.Rows; row++)
        {
            int query = tile.QueryOf(row);
            int first = call.First(query);
            SumTo(kvHead, call.Visible(query), ref added, scratch.Sums, scratch);
            float* mean = scratch.TailValues + ((nint)row * dim);
            double inverse = 1.0 / call.Seen(query);
            if (first > 0)
            {
                SumTo(kvHead, first, ref before, sumsBefore, scratch);
                Mean(scratch.Sums, sumsBefore, inverse, dim, mean);
            }
            else
            {
                Mean(scratch.Sums, null, inverse, dim, mean);
            }
        }
    }

    /// <summary>mean = (sums - before)·inverse; <paramref name="before"/> may be null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mean(double* sums, double* before, double inverse, int dim, float* mean)
    {
        Vector<double> factor = new(inverse);
        int d = 0;
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            Vector<double> low = Vector.Load(sums + d);
            Vector<double> high = Vector.Load(sums + d + Vector<double>.Count);
            if (before is not null)
            {
                low -= Vector.Load(before + d);
                high -= Vector.Load(before + d + Vector<double>.Count);
            }

            Vector.Narrow(low * factor, high * factor).Store(mean + d);
        }

        for (; d < dim; d++)
        {
            mean[d] = (float)((sums[d] - (before is null ? 0 : before[d])) * inverse);
        }
    }

    /// <summary>The sum of the first <paramref name="count"/> values, from a sum of fewer or from the nearest prefix sum.</summary>
    private void SumTo(int kvHead, int count, ref int added, double* sums, WorkerScratch scratch)
    {
        int dim = call.Dim;
        if (count < added || count - added > KeyTables.ValueBlock)
        {
            int block = count / KeyTables.ValueBlock;
            new ReadOnlySpan<double>(call.Tables.ValuePrefix(kvHead, block), dim).CopyTo(new Span<double>(sums, dim));
            added = block * KeyTables.ValueBlock;
        }

        KvRows next = scratch.Widen(call.ValueRows(kvHead).From(added), count - added, dim);
        stats.AddSums(next.Floats, next.Stride, count - added, dim, sums);
        added = count;
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
        int words0 = (call.Visible(tile.QueryOf(row)) + 63) / 64;
        int words1 = pair ? (call.Visible(tile.QueryOf(row + 1)) + 63) / 64 : 0;
        int words = Math.Max(words0, words1);
        int start = FirstWord(tile, row);
        ulong* mask0 = scratch.Masks + ((nint)row * scratch.Words);
        ulong* mask1 = pair ? mask0 + scratch.Words : (ulong*)scratch.Sort;
        new Span<ulong>(mask0 + words0, words - words0).Clear();
        new Span<ulong>(mask1 + words1, words - words1).Clear();
        int blockWords = gather.BlockKeys(call.Dim, call.K.Format) / 64;
        int* first = lists + Math.Min(kept0, kept1) + TopKSelect.ListSlack;
        GatherArguments arguments = new()
        {
            Row0 = Row(tile, row, scratch),
            Both = lists,
            First = first,
            Second = first + kept0 + TopKSelect.ListSlack,
            Keys = call.KeyRows(kvHead).From(64 * start),
            Values = call.ValueRows(kvHead).From(64 * start),
            Dim = call.Dim,
            Scale = call.Scale,
            Scratch = gatherScratch,
        };
        if (pair)
        {
            arguments.Row1 = Row(tile, row + 1, scratch);
        }

        SplitCounts counts;
        if (blockWords != 0 && words - start > blockWords)
        {
            arguments.Blocks = (words - start + blockWords - 1) / blockWords;
            arguments.BlockEnds = scratch.BlockEnds + ((nint)row / 2 * scratch.Words);
            GatherAttention.CountBlocks(mask0 + start, mask1 + start, words - start, blockWords, arguments.BlockEnds);
        }

        select.Split(mask0 + start, mask1 + start, words - start, arguments.Both, arguments.First, arguments.Second, &counts);
        arguments.Counts = counts;
        lists += WorkerScratch.ListEntries(kept0, kept1);
        gatherScratch += WorkerScratch.GatherFloats(kept0, kept1, call.Dim);
        return arguments;
    }

    /// <summary>The first word of the masks of a pair of rows that may have bits.</summary>
    private int FirstWord(in Tile tile, int row)
    {
        int first = call.First(tile.QueryOf(row)) / 64;
        return row + 1 < tile.Rows ? Math.Min(first, call.First(tile.QueryOf(row + 1)) / 64) : first;
    }

    /// <summary>The rows one by one, with their heads' bias: a pair's lists are put together again for each.</summary>
    private void AttendBiased(in Tile tile, WorkerScratch scratch)
    {
        for (int row = 0; row < tile.Rows; row++)
        {
            ref GatherArguments pair = ref scratch.Pairs[row / 2];
            bool second = row % 2 == 1;
            int own = second ? pair.Counts.Second : pair.Counts.First;
            int* list = (int*)scratch.Sort;
            new ReadOnlySpan<int>(pair.Both, pair.Counts.Both).CopyTo(new Span<int>(list, pair.Counts.Both));
            new ReadOnlySpan<int>(second ? pair.Second : pair.First, own).CopyTo(new Span<int>(list + pair.Counts.Both, own));
            int position = call.Visible(tile.QueryOf(row)) - 1 - (64 * FirstWord(tile, row & ~1));
            GatherRow of = second ? pair.Row1 : pair.Row0;
            biased.Attend(pair, of, list, pair.Counts.Both + own, call.Slope(tile.HeadOf(row)), position, scratch.Row, pair.Scratch);
        }
    }

    private GatherRow Row(in Tile tile, int row, WorkerScratch scratch) => new()
    {
        Query = call.Query(tile.HeadOf(row), tile.QueryOf(row)),
        Output = call.Output(tile.HeadOf(row), tile.QueryOf(row)),
        TailSum = scratch.Choices[row].TailSum,
        TailLogit = scratch.Choices[row].TailLogit,
        TailLimit = call.Seen(tile.QueryOf(row)) - scratch.Choices[row].Kept,
        TailValue = scratch.TailValues + ((nint)row * call.Dim),
    };
}

/// <summary>What a worker counts while it works; added up when the call ends.</summary>
internal struct TileCounters
{
    public long Kept;
    public long Saturated;
    public long Rescored;
    public long ExactScores;
}
