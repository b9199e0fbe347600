using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>A row of logits to weights exp(logit - top), 32 at a time; the constants of exp stay in 10 registers.</summary>
internal static unsafe class SoftmaxRowAvx512
{
    private static readonly float* s_constants = CreateConstants();

    /// <summary>The largest of n ≥ 1 logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(float* logits, int n)
    {
        Vector512<float> lowest = Vector512.Create(float.NegativeInfinity);
        int whole = n & ~15;
        Vector512<float> top0 = Avx512F.MaskLoad(logits + whole, LaneMasks.First512(n & 15).AsSingle(), lowest);
        Vector512<float> top1 = lowest;
        int i = 0;
        for (; i + 32 <= whole; i += 32)
        {
            top0 = Avx512F.Max(top0, Vector512.Load(logits + i));
            top1 = Avx512F.Max(top1, Vector512.Load(logits + i + 16));
        }

        if (i < whole)
        {
            top0 = Avx512F.Max(top0, Vector512.Load(logits + i));
        }

        top0 = Avx512F.Max(top0, top1);
        Vector256<float> half = Avx.Max(top0.GetLower(), top0.GetUpper());
        Vector128<float> quarter = Sse.Max(half.GetLower(), half.GetUpper());
        quarter = Sse.Max(quarter, Sse.MoveHighToLow(quarter, quarter));
        return Sse.MaxScalar(quarter, Sse.Shuffle(quarter, quarter, 1)).ToScalar();
    }

    /// <summary>
    /// Turns n logits ≤ top into weights and returns their sum. Reads and writes to the end of the last register of 16; what is behind the
    /// n weights becomes 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Weigh(float* logits, int n, float top)
    {
        float* constants = s_constants;
        Vector512<float> min = Vector512.Create(constants[0]);
        Vector512<float> log2E = Vector512.Create(constants[1]);
        Vector512<float> ln2High = Vector512.Create(constants[2]);
        Vector512<float> ln2Low = Vector512.Create(constants[3]);
        Vector512<float> c6 = Vector512.Create(constants[4]);
        Vector512<float> c5 = Vector512.Create(constants[5]);
        Vector512<float> c4 = Vector512.Create(constants[6]);
        Vector512<float> c3 = Vector512.Create(constants[7]);
        Vector512<float> c2 = Vector512.Create(constants[8]);
        Vector512<float> one = Vector512.Create(constants[9]);
        Vector512<float> tops = Vector512.Create(top);
        Vector512<float> sum0 = Vector512<float>.Zero;
        Vector512<float> sum1 = Vector512<float>.Zero;
        float* last = logits + n - 32;
        for (; logits <= last; logits += 32)
        {
            Vector512<float> x0 = Vector512.Load(logits) - tops;
            Vector512<float> x1 = Vector512.Load(logits + 16) - tops;
            Vector512<float> w0 = ExpAvx512.Weight(x0, min, log2E, ln2High, ln2Low, c6, c5, c4, c3, c2, one);
            Vector512<float> w1 = ExpAvx512.Weight(x1, min, log2E, ln2High, ln2Low, c6, c5, c4, c3, c2, one);
            w0.Store(logits);
            w1.Store(logits + 16);
            sum0 += w0;
            sum1 += w1;
        }

        for (int rest = n & 31; rest > 0; rest -= 16, logits += 16)
        {
            Vector512<float> x = Vector512.Load(logits) - tops;
            Vector512<float> w = ExpAvx512.Weight(x, min, log2E, ln2High, ln2Low, c6, c5, c4, c3, c2, one);
            w = Vector512.ConditionalSelect(LaneMasks.First512(rest).AsSingle(), w, Vector512<float>.Zero);
            w.Store(logits);
            sum0 += w;
        }

        return Vector512.Sum(sum0 + sum1);
    }

    private static float* CreateConstants()
    {
        ReadOnlySpan<float> values =
        [
            ExpScalar.Min, ExpScalar.Log2E, ExpScalar.Ln2High, ExpScalar.Ln2Low,
            ExpScalar.C6, ExpScalar.C5, ExpScalar.C4, ExpScalar.C3, ExpScalar.C2, 1,
        ];
        float* constants = (float*)NativeMemory.Alloc((nuint)values.Length, sizeof(float));
        values.CopyTo(new Span<float>(constants, values.Length));
        return constants;
    }
}
