using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>A row of logits to weights exp(logit - top), 16 at a time.</summary>
internal static unsafe class SoftmaxRowAvx2
{
    /// <summary>The largest of n ≥ 1 logits; reads to the end of the last register of 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(float* logits, int n)
    {
        Vector256<float> lowest = Vector256.Create(float.NegativeInfinity);
        Vector256<float> top0 = lowest;
        Vector256<float> top1 = lowest;
        int i = 0;
        for (; i + 16 <= n; i += 16)
        {
            top0 = Avx.Max(top0, Vector256.Load(logits + i));
            top1 = Avx.Max(top1, Vector256.Load(logits + i + 8));
        }

        for (; i < n; i += 8)
        {
            Vector256<float> lanes = LaneMasks.First256(n - i).AsSingle();
            top0 = Avx.Max(top0, Avx.BlendVariable(lowest, Vector256.Load(logits + i), lanes));
        }

        top0 = Avx.Max(top0, top1);
        Vector128<float> half = Sse.Max(top0.GetLower(), top0.GetUpper());
        half = Sse.Max(half, Sse.MoveHighToLow(half, half));
        return Sse.MaxScalar(half, Sse.Shuffle(half, half, 1)).ToScalar();
    }

    /// <summary>
    /// Turns n logits ≤ top into weights and returns their sum. Reads and writes to the end of the last register of 8; what is behind the n
    /// weights becomes 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Weigh(float* logits, int n, float top)
    {
        Vector256<float> tops = Vector256.Create(top);
        Vector256<float> sum0 = Vector256<float>.Zero;
        Vector256<float> sum1 = Vector256<float>.Zero;
        int i = 0;
        for (; i + 16 <= n; i += 16)
        {
            Vector256<float> w0 = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i) - tops);
            Vector256<float> w1 = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i + 8) - tops);
            w0.Store(logits + i);
            w1.Store(logits + i + 8);
            sum0 += w0;
            sum1 += w1;
        }

        for (; i < n; i += 8)
        {
            Vector256<float> lanes = LaneMasks.First256(n - i).AsSingle();
            Vector256<float> w = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i) - tops) & lanes;
            w.Store(logits + i);
            sum0 += w;
        }

        return Vector256.Sum(sum0 + sum1);
    }
}
