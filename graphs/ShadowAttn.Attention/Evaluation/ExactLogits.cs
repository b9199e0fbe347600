using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>The logits of a row in double precision: q·k·scale + slope·(key - query's own).</summary>
internal static unsafe class ExactLogits
{
    /// <summary>[rows, dim], contiguous.</summary>
    public static double[] ToDouble(in KvRows x, int rows, int dim)
    {
        double[] result = new double[(long)rows * dim];
        for (int r = 0; r < rows; r++)
        {
            for (int d = 0; d < dim; d++)
            {
                result[((long)r * dim) + d] = x.At(r, d);
            }
        }

        return result;
    }

    /// <summary>Fills the logits of the keys that a query sees and returns the largest.</summary>
    /// <param name="call">Shape, mask and queries.</param>
    /// <param name="head">The query head.</param>
    /// <param name="query">The query.</param>
    /// <param name="keys">[keys, dim] of the head's KV head.</param>
    /// <param name="vector">Scratch, [dim].</param>
    /// <param name="logits">Receives those from <see cref="AttentionCall.First"/> up to <see cref="AttentionCall.Visible"/>, at the keys' own places.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Row(AttentionCall call, int head, int query, double[] keys, double[] vector, double[] logits)
    {
        int visible = call.Visible(query);
        int dim = call.Dim;
        for (int d = 0; d < dim; d++)
        {
            vector[d] = call.Query(head, query)[d];
        }

        double top = double.NegativeInfinity;
        double slope = call.Slope(head);
        for (int i = call.First(query); i < visible; i++)
        {
            logits[i] = (Dot(vector, keys.AsSpan(i * dim, dim)) * call.Scale) + (slope * (i - (visible - 1)));
            top = Math.Max(top, logits[i]);
        }

        return top;
    }

    private static double Dot(double[] a, ReadOnlySpan<double> b)
    {
        Vector<double> sum0 = Vector<double>.Zero;
        Vector<double> sum1 = Vector<double>.Zero;
        int d = 0;
        int width = Vector<double>.Count;
        for (; d <= b.Length - (2 * width); d += 2 * width)
        {
            sum0 = Vector.FusedMultiplyAdd(new Vector<double>(a, d), new Vector<double>(b[d..]), sum0);
            sum1 = Vector.FusedMultiplyAdd(new Vector<double>(a, d + width), new Vector<double>(b[(d + width)..]), sum1);
        }

        double sum = Vector.Sum(sum0 + sum1);
        for (; d < b.Length; d++)
        {
            sum += a[d] * b[d];
        }

        return sum;
    }
}
