using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary><see cref="DenseBlocks{TTiles}"/> with 256-bit registers: tiles of 6 rows x 2 registers.</summary>
internal readonly unsafe struct DenseAttentionAvx2 : IDenseTiles
{
    public static DenseAttentionKernel Kernel => new(
        48,
        &DenseKeyPanels.PackedFloats,
        &DenseKeyPanels.Pack,
        &DenseBlocks<DenseAttentionAvx2>.ScratchFloats,
        &DenseBlocks<DenseAttentionAvx2>.Attend);

    public static int KeyBlock => DenseTilesAvx2.KeyBlock;

    public static int LogitStride => DenseTilesAvx2.LogitStride;

    public static void Logits(float* queries, nint queryStride, float* panel, int dim, float* logits)
    {
        DenseTilesAvx2.Logits(queries, queryStride, panel, dim, logits);
        DenseTilesAvx2.Logits(queries, queryStride, panel + 16, dim, logits + 16);
        DenseTilesAvx2.Logits(queries, queryStride, panel + 32, dim, logits + 32);
        DenseTilesAvx2.Logits(queries, queryStride, panel + 48, dim, logits + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* query, float scale, int dim, float* scaled)
    {
        Vector256<float> factor = Vector256.Create(scale);
        for (int d = 0; d < dim; d += 8)
        {
            Vector256<float> part = LaneMasks.First256(dim - d).AsSingle();
            (Avx.MaskLoad(query + d, part) * factor).Store(scaled + d);
        }
    }

    public static float Exp(float x) => ExpAvx2.VectorUpTo88(Vector256.Create(x)).ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(float* logits, int seen)
    {
        Vector256<float> lowest = Vector256.Create(float.NegativeInfinity);
        Vector256<float> top0 = lowest;
        Vector256<float> top1 = lowest;
        int i = 0;
        for (; i + 16 <= seen; i += 16)
        {
            top0 = Avx.Max(top0, Vector256.Load(logits + i));
            top1 = Avx.Max(top1, Vector256.Load(logits + i + 8));
        }

        for (; i < seen; i += 8)
        {
            Vector256<float> lanes = LaneMasks.First256(seen - i).AsSingle();
            top0 = Avx.Max(top0, Avx.BlendVariable(lowest, Vector256.Load(logits + i), lanes));
        }

        return HorizontalAvx2.Largest(Avx.Max(top0, top1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Weigh(float* logits, float top, int seen, int extent)
    {
        Vector256<float> tops = Vector256.Create(top);
        Vector256<float> sum0 = Vector256<float>.Zero;
        Vector256<float> sum1 = Vector256<float>.Zero;
        int i = 0;
        for (; i + 16 <= seen; i += 16)
        {
            Vector256<float> w0 = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i) - tops);
            Vector256<float> w1 = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i + 8) - tops);
            w0.Store(logits + i);
            w1.Store(logits + i + 8);
            sum0 += w0;
            sum1 += w1;
        }

        for (; i < seen; i += 8)
        {
            Vector256<float> lanes = LaneMasks.First256(seen - i).AsSingle();
            Vector256<float> w = ExpAvx2.VectorUpTo88(Vector256.Load(logits + i) - tops) & lanes;
            w.Store(logits + i);
            sum0 += w;
        }

        for (; i < extent; i += 8)
        {
            Vector256<float>.Zero.Store(logits + i);
        }

        return Vector256.Sum(sum0 + sum1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values(
        float* weights, float* values, nint valueStride, int dim, int rows, int* seen, float* shrink, float* sums, nint sumStride)
    {
        for (int r = 0; r < rows; r += 6)
        {
            float* w = weights + (r * DenseTilesAvx2.LogitStride);
            float* s = sums + (r * sumStride);
            int keys = seen[r + 5];
            int d = 0;
            for (; d + 16 <= dim; d += 16)
            {
                DenseTilesAvx2.Values6x2(w, values + d, valueStride, keys, shrink + r, s + d, sumStride);
            }

            if (d + 8 <= dim)
            {
                DenseTilesAvx2.Values6x1(w, values + d, valueStride, keys, shrink + r, s + d, sumStride);
                d += 8;
            }

            if (d < dim)
            {
                DenseTilesAvx2.ValuesRest(w, values + d, valueStride, dim - d, keys, shrink + r, s + d, sumStride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(float* sums, float factor, int dim, float* output)
    {
        Vector256<float> factors = Vector256.Create(factor);
        for (int d = 0; d < dim; d += 8)
        {
            Avx.MaskStore(output + d, LaneMasks.First256(dim - d).AsSingle(), Vector256.Load(sums + d) * factors);
        }
    }
}
