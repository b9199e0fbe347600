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
        &DenseBlocks<DenseAttentionAvx2>.Attend,
        DenseKeyPanels.PackStep);

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

    public static float Largest(float* logits, int seen) => SoftmaxRowAvx2.Largest(logits, seen);

    public static float Weigh(float* logits, float top, int seen) => SoftmaxRowAvx2.Weigh(logits, seen, top);

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
