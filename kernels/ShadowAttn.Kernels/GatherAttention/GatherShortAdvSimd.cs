using System.Runtime.Intrinsics;

namespace ShadowAttn.Kernels;

/// <summary>
/// The two halves of <see cref="GatherAttentionAdvSimd"/> for keys or values in a 16-bit format: base-2 logits and weights of the three lists, then the
/// weighted values. q16 keys lend their scales to a copy of the queries; what else the widened numbers lack is made up for in logits and sums.
/// The scratch is that of <see cref="GatherAttentionAdvSimd"/>.
/// </summary>
internal static unsafe class GatherShortAdvSimd
{
    public static void ReadKeys(GatherArguments* a)
    {
        switch (a->Keys.Format)
        {
            case KvFormat.F16:
                Logits<F16AdvSimd>(a);
                break;
            case KvFormat.BF16:
                Logits<Bf16AdvSimd>(a);
                break;
            default:
                Logits<Q16AdvSimd>(a);
                break;
        }
    }

    public static void ReadValues(GatherArguments* a)
    {
        switch (a->Values.Format)
        {
            case KvFormat.F16:
                Sums<F16AdvSimd>(a);
                break;
            case KvFormat.BF16:
                Sums<Bf16AdvSimd>(a);
                break;
            default:
                Sums<Q16AdvSimd>(a);
                break;
        }
    }

    private static void Logits<TFormat>(GatherArguments* a)
        where TFormat : struct, IShortFormatAdvSimd
    {
        int dim = a->Dim;
        int both = a->Counts.Both;
        int first = a->Counts.First;
        int second = a->Counts.Second;
        nint stride = a->Keys.Stride;
        ushort* keys = a->Keys.Shorts;
        float power = a->Scale * ExpAdvSimd.Log2E;
        float* totals = a->Scratch;
        float* maxima = totals + GatherAttentionAdvSimd.Maxima;
        float* scaled0 = totals + GatherAttentionAdvSimd.Sums + (2 * (nint)dim);
        float* weights0 = scaled0 + (2 * (nint)dim);
        float* query0 = Query<TFormat>(a->Row0.Query, a->Keys.Scales, dim, scaled0);
        Vector128.Create(float.NegativeInfinity).Store(maxima);
        if (a->Row1.Query is null)
        {
            GatherShortLogitsAdvSimd.Run<TFormat, OneRow>(query0, query0, keys, stride, dim, a->Both, both, power, weights0, weights0, maxima);
        }
        else
        {
            float* query1 = Query<TFormat>(a->Row1.Query, a->Keys.Scales, dim, scaled0 + dim);
            float* weights1 = weights0 + both + first + 4;
            Vector128.Create(float.NegativeInfinity).Store(maxima + 4);
            GatherShortLogitsAdvSimd.Run<TFormat, TwoRows>(query0, query1, keys, stride, dim, a->Both, both, power, weights0, weights1, maxima);
            GatherShortLogitsAdvSimd.Run<TFormat, OneRow>(
                query1, query1, keys, stride, dim, a->Second, second, power, weights1 + both, weights1 + both, maxima + 4);
            GatherAttentionAdvSimd.Softmax(weights1, both + second, &a->Row1, maxima + 4, totals + 2);
        }

        GatherShortLogitsAdvSimd.Run<TFormat, OneRow>(
            query0, query0, keys, stride, dim, a->First, first, power, weights0 + both, weights0 + both, maxima);
        GatherAttentionAdvSimd.Softmax(weights0, both + first, &a->Row0, maxima, totals);
    }

    private static void Sums<TFormat>(GatherArguments* a)
        where TFormat : struct, IShortFormatAdvSimd
    {
        int dim = a->Dim;
        int both = a->Counts.Both;
        int first = a->Counts.First;
        nint stride = a->Values.Stride;
        ushort* values = a->Values.Shorts;
        float* scales = a->Values.Scales;
        float* totals = a->Scratch;
        float* sums0 = totals + GatherAttentionAdvSimd.Sums;
        float* sums1 = sums0 + dim;
        float* weights0 = sums1 + (3 * (nint)dim);
        new Span<float>(sums0, 2 * dim).Clear();
        if (a->Row1.Query is null)
        {
            GatherShortValuesAdvSimd.Add<TFormat, OneRow>(values, stride, dim, a->Both, both, weights0, weights0, sums0, sums0);
        }
        else
        {
            float* weights1 = weights0 + both + first + 4;
            GatherShortValuesAdvSimd.Add<TFormat, TwoRows>(values, stride, dim, a->Both, both, weights0, weights1, sums0, sums1);
            GatherShortValuesAdvSimd.Add<TFormat, OneRow>(
                values, stride, dim, a->Second, a->Counts.Second, weights1 + both, weights1 + both, sums1, sums1);
            GatherShortValuesAdvSimd.Finish<TFormat>(sums1, scales, dim, totals[3], a->Row1.TailValue, totals[2], a->Row1.Output);
        }

        GatherShortValuesAdvSimd.Add<TFormat, OneRow>(values, stride, dim, a->First, first, weights0 + both, weights0 + both, sums0, sums0);
        GatherShortValuesAdvSimd.Finish<TFormat>(sums0, scales, dim, totals[1], a->Row0.TailValue, totals[0], a->Row0.Output);
    }

    /// <summary>The query, or a copy of it times the scales of q16 keys.</summary>
    private static float* Query<TFormat>(float* query, float* scales, int dim, float* scaled)
        where TFormat : struct, IShortFormatAdvSimd
    {
        if (typeof(TFormat) != typeof(Q16AdvSimd))
        {
            return query;
        }

        int d = 0;
        for (; d + 4 <= dim; d += 4)
        {
            (Vector128.Load(query + d) * (Vector128.Load(scales + d) * Vector128.Create(Q16AdvSimd.Step))).Store(scaled + d);
        }

        for (; d < dim; d++)
        {
            scaled[d] = query[d] * (scales[d] * Q16AdvSimd.Step);
        }

        return scaled;
    }
}
