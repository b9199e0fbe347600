using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T). Logits of the three key lists (<see cref="GatherPairLogitsAdvSimd"/>,
/// <see cref="GatherRowLogitsAdvSimd"/>), a softmax per row in base 2, weighted values (<see cref="GatherPairValuesAdvSimd"/>,
/// <see cref="GatherRowValuesAdvSimd"/>); a tile of pairs that keep many keys goes through keys first, then values. Scratch: 1 / (Σ w_i + T) and T of
/// both rows; their largest logits, [4] each; sums of row 0 and 1, [dim] each; their queries times q16's scales, [dim] each; weights of row 0 and 1, each
/// those of the shared keys followed by its own. 16-bit keys and values are widened in registers (<see cref="GatherShortAdvSimd"/>).
/// </summary>
internal static unsafe class GatherAttentionAdvSimd
{
    /// <summary>Scratch behind 1 / (Σ weights + T) and T of row 0, of row 1: the largest logits, [2 rows][4].</summary>
    internal const int Maxima = 4;

    /// <summary>Scratch behind the largest logits: the sums, [2 rows][dim], then room for scaled queries, [2 rows][dim], then the weights.</summary>
    internal const int Sums = 12;

    private const float Ln2 = 0.693147181f;

    /// <summary>
    /// Bytes of kept keys and values of one pair beyond which both do not stay in a second-level cache of 1 MB with those of its neighbours.
    /// </summary>
    private const long ManyBytes = 768 << 10;

    public static GatherAttentionKernel Kernel => new(&Attend, &AttendTile);

    public static void Attend(GatherArguments* a)
    {
        ReadKeys(a);
        ReadValues(a);
    }

    public static void AttendTile(GatherArguments* pairs, int count)
    {
        if (!KeysFirst(pairs))
        {
            for (int i = 0; i < count; i++)
            {
                Attend(pairs + i);
            }

            return;
        }

        for (int i = 0; i < count; i++)
        {
            ReadKeys(pairs + i);
        }

        for (int i = 0; i < count; i++)
        {
            ReadValues(pairs + i);
        }
    }

    /// <summary>
    /// Turns n base-2 logits into weights relative to the largest; overwrites up to 3 entries behind them. Stores 1 / (Σ weights + T) and T.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Softmax(float* logits, int n, GatherRow* row, float* maxima, float* totals)
    {
        Vector128.Create(float.NegativeInfinity).Store(logits + n);
        float* end = logits + (((nint)n + 3) & ~3);

        // The first four come before the loop: so the constants of Weight are in registers when it starts.
        float top = AdvSimd.Arm64.MaxAcross(Vector128.Load(maxima)).ToScalar();
        Vector128<float> tops = Vector128.Create(top);
        Vector128<float> sum0 = ExpAdvSimd.Weight(Vector128.Load(logits) - tops);
        Vector128<float> sum1 = Vector128<float>.Zero;
        sum0.Store(logits);
        float* p = logits + 4;
        for (float* last = end - 4; p < last; p += 8)
        {
            Vector128<float> a = Vector128.Load(p);
            Vector128<float> b = Vector128.Load(p + 4);
            Vector128<float> w0 = ExpAdvSimd.Weight(a - tops);
            Vector128<float> w1 = ExpAdvSimd.Weight(b - tops);
            w0.Store(p);
            w1.Store(p + 4);
            sum0 += w0;
            sum1 += w1;
        }

        if (p < end)
        {
            Vector128<float> a = ExpAdvSimd.Weight(Vector128.Load(p) - tops);
            a.Store(p);
            sum0 += a;
        }

        sum0 += sum1;
        sum0 = AdvSimd.Arm64.AddPairwise(sum0, sum0);
        float sum = AdvSimd.Arm64.AddPairwiseScalar(sum0.GetLower()).ToScalar();
        float tail = row->TailSum == 0 ? 0 : GatherTail.Mass(row, top * Ln2);
        totals[0] = 1 / (sum + tail);
        totals[1] = tail;
    }

    /// <summary>Whether a tile is faster when the keys of all its pairs are read before any values; its first pair speaks for all.</summary>
    private static bool KeysFirst(GatherArguments* pair) =>
        ((long)pair->Counts.Both + pair->Counts.First + pair->Counts.Second) * pair->Dim
            * (pair->Keys.ElementBytes + pair->Values.ElementBytes) > ManyBytes;

    private static void ReadKeys(GatherArguments* a)
    {
        if (a->Keys.Format == KvFormat.F32)
        {
            ReadFloatKeys(a);
        }
        else
        {
            GatherShortAdvSimd.ReadKeys(a);
        }
    }

    private static void ReadValues(GatherArguments* a)
    {
        if (a->Values.Format == KvFormat.F32)
        {
            ReadFloatValues(a);
        }
        else
        {
            GatherShortAdvSimd.ReadValues(a);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadFloatKeys(GatherArguments* a)
    {
        int dim = a->Dim;
        int both = a->Counts.Both;
        int first = a->Counts.First;
        int second = a->Counts.Second;
        float power = a->Scale * ExpAdvSimd.Log2E;
        float* totals = a->Scratch;
        float* maxima = totals + Maxima;
        float* weights0 = totals + Sums + (4 * (nint)dim);
        if (a->Row1.Query is null)
        {
            Vector128.Create(float.NegativeInfinity).Store(maxima);
            GatherRowLogitsAdvSimd.Run(a->Row0.Query, a->Keys.Floats, a->Keys.Stride, dim, a->Both, both, power, weights0, maxima);
        }
        else
        {
            float* weights1 = weights0 + both + first + 4;
            GatherPairLogitsAdvSimd.Run(
                a->Row0.Query, a->Row1.Query, a->Keys.Floats, a->Keys.Stride, dim, a->Both, both, power, weights0, weights1, maxima);
            GatherRowLogitsAdvSimd.Run(
                a->Row1.Query, a->Keys.Floats, a->Keys.Stride, dim, a->Second, second, power, weights1 + both, maxima + 4);
            Softmax(weights1, both + second, &a->Row1, maxima + 4, totals + 2);
        }

        GatherRowLogitsAdvSimd.Run(a->Row0.Query, a->Keys.Floats, a->Keys.Stride, dim, a->First, first, power, weights0 + both, maxima);
        Softmax(weights0, both + first, &a->Row0, maxima, totals);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReadFloatValues(GatherArguments* a)
    {
        int dim = a->Dim;
        int both = a->Counts.Both;
        float* totals = a->Scratch;
        float* sums0 = totals + Sums;
        float* sums1 = sums0 + dim;
        float* weights0 = sums1 + (3 * (nint)dim);
        if (a->Row1.Query is null)
        {
            new Span<float>(sums0, dim).Clear();
            GatherRowValuesAdvSimd.Sum(a->Values.Floats, a->Values.Stride, dim, a->Both, both, weights0, sums0, 0, null, 1, sums0);
        }
        else
        {
            float* weights1 = weights0 + both + a->Counts.First + 4;
            GatherPairValuesAdvSimd.Sum(a->Values.Floats, a->Values.Stride, dim, a->Both, both, weights0, weights1, sums0, sums1);
            GatherRowValuesAdvSimd.Sum(
                a->Values.Floats, a->Values.Stride, dim, a->Second, a->Counts.Second, weights1 + both, sums1, totals[3], a->Row1.TailValue, totals[2],
                a->Row1.Output);
        }

        GatherRowValuesAdvSimd.Sum(
            a->Values.Floats, a->Values.Stride, dim, a->First, a->Counts.First, weights0 + both, sums0, totals[1], a->Row0.TailValue, totals[0],
            a->Row0.Output);
    }
}
