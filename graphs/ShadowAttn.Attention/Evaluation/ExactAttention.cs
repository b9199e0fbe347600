using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>Attention in double precision, row by row: the yardstick of every figure about accuracy. Not for the path of a call.</summary>
public static unsafe class ExactAttention
{
    private const int RowsPerItem = 16;

    /// <summary>Compares an output with exact attention.</summary>
    /// <param name="options">Heads, mask and scale of the call.</param>
    /// <param name="q">fp32 [heads, queries, headDim].</param>
    /// <param name="k">[kvHeads, keys, headDim] of any format.</param>
    /// <param name="v">[kvHeads, keys, headDim] of any format.</param>
    /// <param name="o">The output to judge, fp32 [heads, queries, headDim].</param>
    /// <param name="kept">The kept keys of each row.</param>
    /// <param name="maxRows">The most queries per head to evaluate; more are sampled evenly, the last one included.</param>
    /// <param name="progress">Told how many of how many rows are done; may be null.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit.</exception>
    public static AttentionAccuracy Compare(
        AttentionOptions options,
        TensorView<float> q,
        KvView k,
        KvView v,
        TensorView<float> o,
        KeptKeys kept,
        int maxRows = int.MaxValue,
        Action<long, long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(kept);
        AttentionShapes.Check(options, q, k, v, o, kept);
        AttentionCall call = new();
        call.Bind(options, q, k, v, o);
        int[] rows = Sample(call.Queries, maxRows);
        RowFigures[] figures = new RowFigures[(long)call.Heads * rows.Length];
        long done = 0;
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            double[] keys = ExactLogits.ToDouble(call.KeyRows(kvHead), call.Keys, call.Dim);
            double[] values = ExactLogits.ToDouble(call.ValueRows(kvHead), call.Keys, call.Dim);
            int firstHead = kvHead * call.Group;
            int chunks = (rows.Length + RowsPerItem - 1) / RowsPerItem;
            Parallel.For(0, call.Group * chunks, () => new Scratch(call.Keys, call.Dim), (item, _, scratch) =>
            {
                int head = firstHead + (item / chunks);
                int first = item % chunks * RowsPerItem;
                int last = Math.Min(first + RowsPerItem, rows.Length);
                for (int i = first; i < last; i++)
                {
                    figures[((long)head * rows.Length) + i] = Row(call, head, rows[i], keys, values, kept, scratch);
                }

                long now = Interlocked.Add(ref done, last - first);
                progress?.Invoke(now, figures.Length);
                return scratch;
            }, _ => { });
        }

        return Summarise(figures, call.Heads, rows.Length);
    }

    private static int[] Sample(int queries, int maxRows)
    {
        if (maxRows >= queries)
        {
            return [.. Enumerable.Range(0, queries)];
        }

        int count = Math.Max(maxRows, 1);
        return [.. Enumerable.Range(1, count).Select(i => (int)((long)i * queries / count) - 1)];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static RowFigures Row(AttentionCall call, int head, int query, double[] keys, double[] values, KeptKeys kept, Scratch scratch)
    {
        int visible = call.Visible(query);
        int dim = call.Dim;
        double[] logits = scratch.Logits;
        int first = call.First(query);
        double top = ExactLogits.Row(call, head, query, keys, scratch.Query, logits);
        Span<double> output = scratch.Output.AsSpan(0, dim);
        output.Clear();
        ReadOnlySpan<ulong> mask = kept.Row(head, query);
        double sum = 0;
        double captured = 0;
        int keptCount = 0;
        for (int i = first; i < visible; i++)
        {
            double weight = Math.Exp(logits[i] - top);
            sum += weight;
            if (((mask[i / 64] >> (i % 64)) & 1) != 0)
            {
                captured += weight;
                keptCount++;
            }

            AddScaled(output, values.AsSpan(i * dim, dim), weight);
        }

        RowFigures figures = new() { Captured = captured / sum };
        figures.Recall = keptCount == visible - first ? 1 : Recall(logits, first, visible, mask, keptCount, scratch.Select);
        float* actual = call.Output(head, query);
        for (int d = 0; d < dim; d++)
        {
            double exact = output[d] / sum;
            double error = actual[d] - exact;
            figures.SquaredError += error * error;
            figures.SquaredNorm += exact * exact;
            figures.MaxError = Math.Max(figures.MaxError, double.IsNaN(error) ? double.PositiveInfinity : Math.Abs(error));
        }

        return figures;
    }

    private static void AddScaled(Span<double> sum, ReadOnlySpan<double> x, double weight)
    {
        Vector<double> w = new(weight);
        int d = 0;
        for (; d <= sum.Length - Vector<double>.Count; d += Vector<double>.Count)
        {
            Vector.FusedMultiplyAdd(w, new Vector<double>(x[d..]), new Vector<double>(sum[d..])).CopyTo(sum[d..]);
        }

        for (; d < sum.Length; d++)
        {
            sum[d] += weight * x[d];
        }
    }

    /// <summary>Share of the kept keys that are among the exact top; of equal logits the smaller index counts as higher.</summary>
    private static double Recall(double[] logits, int first, int visible, ReadOnlySpan<ulong> mask, int kept, double[] select)
    {
        if (kept == 0)
        {
            return 0;
        }

        Array.Copy(logits, first, select, 0, visible - first);
        double threshold = KthLargest(select.AsSpan(0, visible - first), kept);
        int above = 0;
        for (int i = first; i < visible; i++)
        {
            above += logits[i] > threshold ? 1 : 0;
        }

        int ties = kept - above;
        int common = 0;
        for (int i = first; i < visible; i++)
        {
            bool exact = logits[i] > threshold || (logits[i] == threshold && ties-- > 0);
            common += exact && ((mask[i / 64] >> (i % 64)) & 1) != 0 ? 1 : 0;
        }

        return (double)common / kept;
    }

    /// <summary>The k-th largest value by quickselect; reorders the span.</summary>
    private static double KthLargest(Span<double> values, int k)
    {
        int low = 0;
        int high = values.Length - 1;
        int target = k - 1;
        while (low < high)
        {
            double pivot = values[low + ((high - low) / 2)];
            int i = low;
            int j = high;
            while (i <= j)
            {
                while (values[i] > pivot)
                {
                    i++;
                }

                while (values[j] < pivot)
                {
                    j--;
                }

                if (i <= j)
                {
                    (values[i], values[j]) = (values[j], values[i]);
                    i++;
                    j--;
                }
            }

            if (target <= j)
            {
                high = j;
            }
            else if (target >= i)
            {
                low = i;
            }
            else
            {
                break;
            }
        }

        return values[target];
    }

    private static AttentionAccuracy Summarise(RowFigures[] figures, int heads, int rows)
    {
        double error = 0;
        double norm = 0;
        double max = 0;
        double captured = 0;
        double worst = 1;
        double recall = 0;
        for (int head = 0; head < heads; head++)
        {
            double headCaptured = 0;
            double headRecall = 0;
            foreach (RowFigures row in figures.AsSpan(head * rows, rows))
            {
                error += row.SquaredError;
                norm += row.SquaredNorm;
                max = Math.Max(max, row.MaxError);
                headCaptured += row.Captured;
                headRecall += row.Recall;
            }

            captured += headCaptured / rows;
            recall += headRecall / rows;
            worst = Math.Min(worst, headCaptured / rows);
        }

        double relative = norm == 0 ? Math.Sqrt(error) : Math.Sqrt(error / norm);
        return new AttentionAccuracy(figures.Length, relative, max, captured / heads, worst, recall / heads);
    }

    private struct RowFigures
    {
        public double Captured;
        public double Recall;
        public double SquaredError;
        public double SquaredNorm;
        public double MaxError;
    }

    private sealed class Scratch(int keys, int dim)
    {
        public readonly double[] Query = new double[dim];
        public readonly double[] Logits = new double[keys];
        public readonly double[] Select = new double[keys];
        public readonly double[] Output = new double[dim];
    }
}
