using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// Makes the selection of a row exact. Every key's logit lies in score ± bound, in score steps. The k-th largest of the lower ends is a lower bound of the
/// k-th largest logit, that of the upper ends an upper bound; a key above the one is kept for sure, a key below the other is dropped for sure, and
/// the few between get an exact score. The half width is |q|·|ε_k| + |ε_q|·|k8| + 1/2 for the sure bound. The standard errors of these terms are the
/// first two over √dim, and 1/√12 = 1/2 / √3 for a rounding; for c of them it is c·√(sum of their squares).
/// </summary>
internal sealed unsafe class TopKCertificate(ExactTopK kind, int dim, float scale)
{
    private const int Saturated = 127;
    private const int Bisections = 9;

    /// <summary>For the rounding of fp32 sums and of these bounds.</summary>
    private const float Slack = 1e-3f;

    private readonly bool sureBound = kind == ExactTopK.Sure;

    private readonly float errors = kind == ExactTopK.TwoErrors ? 2 : 3;

    /// <summary>Replaces the mask of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="outliers">Keys whose scores were rounded in larger steps.</param>
    /// <param name="kept">How many to keep; less than the row sees.</param>
    /// <param name="threshold">The score of the last key that the pilot would keep.</param>
    /// <param name="scratch">The worker's scratch.</param>
    /// <param name="mask">Receives the kept keys.</param>
    /// <returns>The highest score of a dropped key or more.</returns>
    public int Certify(in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, int kept, int threshold, WorkerScratch scratch, ulong* mask)
    {
        float* lower = scratch.Lower;
        float* upper = scratch.Upper;
        float widest = Bounds(row, outliers, lower, upper);
        float atLeast = Highest(lower, row.Visible, kept, threshold - widest, threshold);
        float atMost = Lowest(upper, row.Visible, kept, threshold, threshold + widest);

        int sure = 0;
        int open = Open(row, atLeast, atMost, scratch, mask, ref sure);
        KeepLargest(new Span<ulong>(scratch.Sort, open), kept - sure);
        int reference = threshold;
        for (int i = 0; i < open; i++)
        {
            int key = (int)(uint)scratch.Sort[i];
            if (i >= open - (kept - sure))
            {
                mask[key / 64] |= 1UL << (key % 64);
            }
            else
            {
                reference = Math.Max(reference, row.Scores[key]);
            }
        }

        scratch.ExactScores += open;
        return reference;
    }

    /// <summary>Marks what is kept for sure and scores what is neither that nor dropped for sure; returns how many these are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Open(in RowPilot row, float atLeast, float atMost, WorkerScratch scratch, ulong* mask, ref int sure)
    {
        int open = 0;
        for (int first = 0; first < row.Visible; first += 64)
        {
            int count = Math.Min(64, row.Visible - first);
            ulong above = Above(scratch.Lower + first, count, atMost);
            ulong between = AtLeast(scratch.Upper + first, count, atLeast) & ~above;
            if (first == 0)
            {
                between &= ulong.MaxValue << row.Hidden;
            }

            mask[first / 64] = above;
            sure += BitOperations.PopCount(above);
            for (; between != 0; between &= between - 1)
            {
                int key = first + BitOperations.TrailingZeroCount(between);
                float* x = row.Keys.Format == KvFormat.F32
                    ? row.Keys.Floats + (key * row.Keys.Stride)
                    : scratch.Widen(row.Keys.From(key), 1, dim).Floats;
                float logit = (VectorDot.Float(row.Query, x, dim) * scale) + row.Bias(key);
                scratch.Sort[open++] = RowSelector.SortKey(logit, key);
            }
        }

        return open;
    }

    /// <summary>Bit i: x[i] > bound.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Above(float* x, int n, float bound)
    {
        Vector256<float> bounds = Vector256.Create(bound);
        ulong bits = 0;
        int i = 0;
        for (; i <= n - 8; i += 8)
        {
            bits |= (ulong)Vector256.GreaterThan(Vector256.Load(x + i), bounds).ExtractMostSignificantBits() << i;
        }

        for (; i < n; i++)
        {
            bits |= x[i] > bound ? 1UL << i : 0;
        }

        return bits;
    }

    /// <summary>Bit i: x[i] ≥ bound.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong AtLeast(float* x, int n, float bound)
    {
        Vector256<float> bounds = Vector256.Create(bound);
        ulong bits = 0;
        int i = 0;
        for (; i <= n - 8; i += 8)
        {
            bits |= (ulong)Vector256.GreaterThanOrEqual(Vector256.Load(x + i), bounds).ExtractMostSignificantBits() << i;
        }

        for (; i < n; i++)
        {
            bits |= x[i] >= bound ? 1UL << i : 0;
        }

        return bits;
    }

    /// <summary>Moves the largest numbers to the end; in no order among themselves (quickselect).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void KeepLargest(Span<ulong> x, int count)
    {
        int target = x.Length - count;
        int low = 0;
        int high = x.Length - 1;
        while (low < high && count > 0)
        {
            ulong pivot = x[low + ((high - low) / 2)];
            int i = low;
            int j = high;
            while (i <= j)
            {
                while (x[i] < pivot)
                {
                    i++;
                }

                while (x[j] > pivot)
                {
                    j--;
                }

                if (i <= j)
                {
                    (x[i], x[j]) = (x[j], x[i]);
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
    }

    /// <summary>Both ends of every key's interval; returns the largest half width.</summary>
    private float Bounds(in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, float* lower, float* upper)
    {
        (float queryResidual, _) = QuantisationResiduals.Of(row.Query, null, row.Q8, row.QueryScale, dim);
        float perStep = scale / row.Step * (sureBound ? 1 : errors / MathF.Sqrt(dim));
        float queryNorm = MathF.Sqrt(VectorDot.Float(row.Query, row.Query, dim)) * perStep;
        queryResidual *= perStep;
        float rounding = row.Slope == 0 ? 0.5f : 1;
        rounding = sureBound ? rounding + Slack : errors * rounding / MathF.Sqrt(3);
        ToFloats(row.Scores, row.Visible, lower);
        float widest = Widths(row.KeyResiduals, row.KeyNorms, row.Visible, queryNorm, queryResidual, rounding, lower, upper);
        foreach (KeyOutlier outlier in outliers)
        {
            int key = outlier.Key - row.Start;
            if (key >= 0 && key < row.Visible)
            {
                float more = 0.5f * ((1 << outlier.Shift) - 1);
                lower[key] -= more;
                upper[key] += more;
                widest = MathF.Max(widest, row.Scores[key] - lower[key]);
            }
        }

        Saturation(row, lower, upper);
        return widest;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ToFloats(sbyte* scores, int n, float* x)
    {
        int i = 0;
        for (; i <= n - Vector<sbyte>.Count; i += Vector<sbyte>.Count)
        {
            Vector.Widen(Vector.Load(scores + i), out Vector<short> low, out Vector<short> high);
            Vector.Widen(low, out Vector<int> a, out Vector<int> b);
            Vector.Widen(high, out Vector<int> c, out Vector<int> d);
            Vector.ConvertToSingle(a).Store(x + i);
            Vector.ConvertToSingle(b).Store(x + i + Vector<float>.Count);
            Vector.ConvertToSingle(c).Store(x + i + (2 * Vector<float>.Count));
            Vector.ConvertToSingle(d).Store(x + i + (3 * Vector<float>.Count));
        }

        for (; i < n; i++)
        {
            x[i] = scores[i];
        }
    }

    /// <summary>From scores in <paramref name="lower"/> to both ends; returns the largest half width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float Widths(
        float* keyResiduals, float* keyNorms, int n, float queryNorm, float queryResidual, float rounding, float* lower, float* upper)
    {
        Vector<float> norms = new(queryNorm);
        Vector<float> residuals = new(queryResidual);
        Vector<float> roundings = new(rounding);
        Vector<float> squares = roundings * roundings;
        Vector<float> slack = new(Slack);
        Vector<float> widths = Vector<float>.Zero;
        bool sure = sureBound;
        int i = 0;
        for (; i <= n - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> byKey = norms * Vector.Load(keyResiduals + i);
            Vector<float> byQuery = residuals * Vector.Load(keyNorms + i);
            Vector<float> width = sure
                ? byKey + byQuery + roundings
                : Vector.SquareRoot((byKey * byKey) + (byQuery * byQuery) + squares) + slack;
            Vector<float> score = Vector.Load(lower + i);
            widths = Vector.Max(widths, width);
            (score - width).Store(lower + i);
            (score + width).Store(upper + i);
        }

        float widest = 0;
        for (int lane = 0; lane < Vector<float>.Count; lane++)
        {
            widest = MathF.Max(widest, widths[lane]);
        }

        for (; i < n; i++)
        {
            float byKey = queryNorm * keyResiduals[i];
            float byQuery = queryResidual * keyNorms[i];
            float width = sure ? byKey + byQuery + rounding : MathF.Sqrt((byKey * byKey) + (byQuery * byQuery) + (rounding * rounding)) + Slack;
            widest = MathF.Max(widest, width);
            upper[i] = lower[i] + width;
            lower[i] -= width;
        }

        return widest;
    }

    /// <summary>A saturated score says nothing about one side; keys before the window are out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Saturation(in RowPilot row, float* lower, float* upper)
    {
        ReadOnlySpan<sbyte> scores = new(row.Scores, row.Visible);
        for (int next, from = 0; from < row.Visible && (next = scores[from..].IndexOfAny((sbyte)Saturated, sbyte.MinValue)) >= 0; from += next + 1)
        {
            int key = from + next;
            if (key < row.Hidden)
            {
                upper[key] = float.NegativeInfinity;
                lower[key] = float.NegativeInfinity;
            }
            else if (scores[key] == Saturated)
            {
                upper[key] = float.PositiveInfinity;
            }
            else
            {
                lower[key] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>A number that at least <paramref name="count"/> of the lower ends reach, nearly the largest such.</summary>
    private static float Highest(float* lower, int n, int count, float low, float high)
    {
        if (CountFrom(lower, n, low) < count)
        {
            return float.NegativeInfinity;
        }

        for (int i = 0; i < Bisections; i++)
        {
            float middle = 0.5f * (low + high);
            (low, high) = CountFrom(lower, n, middle) >= count ? (middle, high) : (low, middle);
        }

        return low;
    }

    /// <summary>A number that fewer than <paramref name="count"/> of the upper ends reach, nearly the smallest such.</summary>
    private static float Lowest(float* upper, int n, int count, float low, float high)
    {
        high += 0.01f;
        if (CountFrom(upper, n, high) >= count)
        {
            return float.PositiveInfinity;
        }

        for (int i = 0; i < Bisections; i++)
        {
            float middle = 0.5f * (low + high);
            (low, high) = CountFrom(upper, n, middle) < count ? (low, middle) : (middle, high);
        }

        return high;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CountFrom(float* x, int n, float least)
    {
        Vector<int> counts = Vector<int>.Zero;
        Vector<float> bound = new(least);
        int i = 0;
        for (; i <= n - Vector<float>.Count; i += Vector<float>.Count)
        {
            counts -= Vector.GreaterThanOrEqual(Vector.Load(x + i), bound);
        }

        int count = Vector.Sum(counts);
        for (; i < n; i++)
        {
            count += x[i] >= least ? 1 : 0;
        }

        return count;
    }
}
