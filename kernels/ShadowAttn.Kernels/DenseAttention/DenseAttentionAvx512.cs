using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// <see cref="DenseBlocks{TTiles}"/> with 512-bit registers. Channels are covered by column panels of 64, 48 or 32 so that every tile has 24
/// accumulators: 64 = 4, 80 = 3 + 2, 96 = 3 + 3, 128 = 4 + 4, 160 = 4 + 3 + 3, 256 = 4 x 4 registers.
/// </summary>
internal readonly unsafe struct DenseAttentionAvx512 : IDenseTiles
{
    public static DenseAttentionKernel Kernel => new(
        48,
        &DenseKeyPanels.PackedFloats,
        &DenseKeyPanels.Pack,
        &DenseBlocks<DenseAttentionAvx512>.ScratchFloats,
        &DenseBlocks<DenseAttentionAvx512>.Attend,
        DenseKeyPanels.PackStep);

    public static int KeyBlock => DenseTilesAvx512.KeyBlock;

    public static int LogitStride => DenseTilesAvx512.LogitStride;

    public static void Logits(float* queries, nint queryStride, float* panel, int dim, float* logits) =>
        DenseTilesAvx512.Logits(queries, queryStride, panel, dim, logits);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* query, float scale, int dim, float* scaled)
    {
        Vector512<float> factor = Vector512.Create(scale);
        for (int d = 0; d < dim; d += 16)
        {
            Vector512<float> part = LaneMasks.First512(dim - d).AsSingle();
            (Avx512F.MaskLoad(query + d, part, Vector512<float>.Zero) * factor).Store(scaled + d);
        }
    }

    public static float Exp(float x) => ExpAvx512.VectorUpTo88(Vector512.Create(x)).ToScalar();

    public static float Largest(float* logits, int seen) => SoftmaxRowAvx512.Largest(logits, seen);

    public static float Weigh(float* logits, float top, int seen) => SoftmaxRowAvx512.Weigh(logits, seen, top);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values(
        float* weights, float* values, nint valueStride, int dim, int rows, int* seen, float* shrink, float* sums, nint sumStride)
    {
        int stride = DenseTilesAvx512.LogitStride;
        int left = dim / 16;
        while (left > 0)
        {
            int width = left switch
            {
                4 or 7 or 8 => 4,
                1 or 2 => left,
                3 or 5 or 6 => 3,
                _ => 4,
            };
            int step = width switch { 4 => 6, 3 => 8, _ => 12 };
            for (int r = 0; r < rows; r += step)
            {
                int keys = seen[r + step - 1];
                float* w = weights + (r * stride);
                float* s = sums + (r * sumStride);
                switch (width)
                {
                    case 4: DenseTilesAvx512.Values6x4(w, values, valueStride, keys, shrink + r, s, sumStride); break;
                    case 3: DenseTilesAvx512.Values8x3(w, values, valueStride, keys, shrink + r, s, sumStride); break;
                    case 2: DenseTilesAvx512.Values12x2(w, values, valueStride, keys, shrink + r, s, sumStride); break;
                    default: DenseTilesAvx512.Values12x1(w, values, valueStride, keys, shrink + r, s, sumStride); break;
                }
            }

            left -= width;
            values += 16 * width;
            sums += 16 * width;
        }

        if (dim % 16 != 0)
        {
            for (int r = 0; r < rows; r += 6)
            {
                DenseTilesAvx512.ValuesRest(
                    weights + (r * stride), values, valueStride, dim % 16, seen[r + 5], shrink + r, sums + (r * sumStride), sumStride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(float* sums, float factor, int dim, float* output)
    {
        Vector512<float> factors = Vector512.Create(factor);
        for (int d = 0; d < dim; d += 16)
        {
            Avx512F.MaskStore(output + d, LaneMasks.First512(dim - d).AsSingle(), Vector512.Load(sums + d) * factors);
        }
    }
}
