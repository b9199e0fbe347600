using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// Exact attention of a row over its kept keys with ALiBi's additive bias slope·(key - position): a portable vector loop, a row at a time, since the
/// gather kernels have no bias. output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T), w_i = exp(scale·q·k_i + slope·(i - position) - top).
/// </summary>
internal sealed unsafe class BiasedAttention
{
    private readonly ExpKernel exp = Exp.Kernels.Best.Kernel;

    /// <summary>Attends one row.</summary>
    /// <param name="a">Keys, values, scale and dim of the tile; the lists are not read.</param>
    /// <param name="row">The row with its tail; <c>TailLogit</c> has the same bias in it.</param>
    /// <param name="list">The kept keys, at least one, relative to the keys of <paramref name="a"/>.</param>
    /// <param name="count">How many.</param>
    /// <param name="slope">Of the row's head, positive: farther keys weigh less.</param>
    /// <param name="position">The query's own key, relative as the list.</param>
    /// <param name="widened">Room for fp32 [dim].</param>
    /// <param name="weights">Room for <paramref name="count"/> numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Attend(in GatherArguments a, in GatherRow row, int* list, int count, float slope, int position, float* widened, float* weights)
    {
        int dim = a.Dim;
        float top = float.NegativeInfinity;
        for (int i = 0; i < count; i++)
        {
            weights[i] = (VectorDot.Float(row.Query, Row(a.Keys, list[i], dim, widened), dim) * a.Scale) + (slope * (list[i] - position));
            top = MathF.Max(top, weights[i]);
        }

        for (int i = 0; i < count; i++)
        {
            weights[i] -= top;
        }

        exp.Run(weights, weights, count);
        float tail = row.TailSum == 0 ? 0 : MathF.Min(row.TailSum * MathF.Exp(MathF.Min(row.TailLogit - top, 20)), row.TailLimit);
        double sum = tail;
        new Span<float>(row.Output, dim).Clear();
        if (tail != 0)
        {
            AddScaled(row.TailValue, tail, dim, row.Output);
        }

        for (int i = 0; i < count; i++)
        {
            sum += weights[i];
            AddScaled(Row(a.Values, list[i], dim, widened), weights[i], dim, row.Output);
        }

        float factor = (float)(1 / sum);
        for (int d = 0; d < dim; d++)
        {
            row.Output[d] *= factor;
        }
    }

    private static float* Row(in KvRows rows, int index, int dim, float* widened)
    {
        KvRows row = rows.From(index);
        if (row.Format == KvFormat.F32)
        {
            return row.Floats;
        }

        row.Widen(1, dim, widened, dim);
        return widened;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(float* x, float factor, int dim, float* y)
    {
        int d = 0;
        Vector<float> factors = new(factor);
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            Vector.FusedMultiplyAdd(factors, Vector.Load(x + d), Vector.Load(y + d)).Store(y + d);
        }

        for (; d < dim; d++)
        {
            y[d] += factor * x[d];
        }
    }
}
