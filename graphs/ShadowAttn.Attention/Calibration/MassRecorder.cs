namespace ShadowAttn.Attention;

/// <summary>
/// Takes the place of a selection: ranks the keys of each row as the pilot does, sums up their exact softmax weights in that order, and keeps next to nothing.
/// </summary>
internal sealed unsafe class MassRecorder(AttentionOptions options) : IRowSelector, IDisposable
{
    private const int Levels = 256;

    private readonly Head[] heads = [.. Enumerable.Range(0, options.Heads).Select(_ => new Head())];
    private readonly KeepRatio[] ratios = [.. Enumerable.Range(1, MassCurves.Steps).Select(step => KeepRatio.Share((double)step / MassCurves.Steps))];
    private readonly ThreadLocal<Scratch> scratches = new(() => new Scratch());

    /// <inheritdoc/>
    public RowChoice Select(in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, WorkerScratch scratch, ulong* mask, ref int guess, ref int rescored)
    {
        Scratch s = scratches.Value!;
        s.Reserve(row.Visible);
        Weigh(row, s, scratch);
        Rank(row, outliers, s);
        Record(row, s);
        new Span<ulong>(mask, (row.Visible + 63) / 64).Clear();
        mask[(row.Visible - 1) / 64] = 1UL << ((row.Visible - 1) % 64);
        return new RowChoice { Kept = 1 };
    }

    /// <inheritdoc/>
    public void Dispose() => scratches.Dispose();

    /// <summary>The means over the recorded rows.</summary>
    public MassCurves Result() => new(
        [.. heads.Select(h => Array.ConvertAll(h.Mass, m => m / h.Rows))],
        [.. heads.Select(h => Array.ConvertAll(h.Kept, k => (double)k / h.Visible))]);

    /// <summary>The row's exact softmax weights.</summary>
    private void Weigh(in RowPilot row, Scratch s, WorkerScratch scratch)
    {
        double top = double.NegativeInfinity;
        for (int key = row.Hidden; key < row.Visible; key++)
        {
            float* k = scratch.Widen(row.Keys.From(key), 1, options.HeadDim).Floats;
            s.Weights[key] = (VectorDot.Float(row.Query, k, options.HeadDim) * options.EffectiveScale) + row.Bias(key);
            top = Math.Max(top, s.Weights[key]);
        }

        double sum = 0;
        for (int key = row.Hidden; key < row.Visible; key++)
        {
            s.Weights[key] = Math.Exp(s.Weights[key] - top);
            sum += s.Weights[key];
        }

        for (int key = row.Hidden; key < row.Visible; key++)
        {
            s.Weights[key] /= sum;
        }
    }

    /// <summary>Higher levels first, of equal ones the larger index, of saturated ones the larger product: as the selection has it.</summary>
    private void Rank(in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, Scratch s)
    {
        Span<int> next = stackalloc int[Levels];
        next.Clear();
        for (int key = row.Hidden; key < row.Visible; key++)
        {
            next[sbyte.MaxValue - row.Scores[key]]++;
        }

        int saturated = next[0];
        int start = 0;
        for (int level = 0; level < Levels; level++)
        {
            (next[level], start) = (start, start + next[level]);
        }

        for (int key = row.Visible - 1; key >= row.Hidden; key--)
        {
            s.Order[next[sbyte.MaxValue - row.Scores[key]]++] = key;
        }

        if (saturated > 1)
        {
            Span<int> first = s.Order.AsSpan(0, saturated);
            first.Reverse();
            for (int i = 0; i < saturated; i++)
            {
                s.Products[i] = -(((long)RowSelector.Product(row, first[i], options.HeadDim, ref outliers) << 32) | (uint)first[i]);
            }

            s.Products.AsSpan(0, saturated).Sort(first);
        }
    }

    private void Record(in RowPilot row, Scratch s)
    {
        int seen = row.Seen;
        double sum = 0;
        s.Captured[0] = 0;
        for (int i = 0; i < seen; i++)
        {
            sum += s.Weights[s.Order[i]];
            s.Captured[i + 1] = sum;
        }

        Head head = heads[row.Head];
        lock (head)
        {
            head.Rows++;
            head.Visible += seen;
            for (int step = 0; step <= MassCurves.Steps; step++)
            {
                int count = step == 0 ? Math.Min(seen, options.MinKeys) : ratios[step - 1].Count(seen, options.MinKeys);
                head.Mass[step] += s.Captured[count];
                head.Kept[step] += count;
            }
        }
    }

    private sealed class Head
    {
        public readonly double[] Mass = new double[MassCurves.Steps + 1];
        public readonly long[] Kept = new long[MassCurves.Steps + 1];
        public long Rows;
        public long Visible;
    }

    private sealed class Scratch
    {
        public double[] Weights = [];
        public double[] Captured = [];
        public long[] Products = [];
        public int[] Order = [];

        public void Reserve(int keys)
        {
            if (Weights.Length < keys)
            {
                Weights = new double[keys];
                Captured = new double[keys + 1];
                Products = new long[keys];
                Order = new int[keys];
            }
        }
    }
}
