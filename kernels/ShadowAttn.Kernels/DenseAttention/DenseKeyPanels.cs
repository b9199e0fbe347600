using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// The packed keys of the x64 variants: panels of 64 keys, each [dim][64], so that a step over channels reads one line after the other; keys
/// behind the last one are 0, or what is left of keys that were there. Packing transposes blocks of 8 keys x 8 channels in registers (AVX).
/// </summary>
internal static unsafe class DenseKeyPanels
{
    public const int Width = 64;

    /// <summary>Keys may be added one at a time.</summary>
    public const int PackStep = 1;

    public static nint PackedFloats(int keys, int dim) => (nint)((keys + Width - 1) / Width) * Width * dim;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(KvRows* k, int firstKey, int keys, int dim, float* packed)
    {
        bool widen = k->Format != KvFormat.F32;
        float* widened = stackalloc float[widen ? 8 * dim : 0];
        nint rowStride = widen ? dim : k->Stride;
        int end = firstKey + keys;
        for (int key = firstKey, count; key < end; key += count)
        {
            count = Math.Min(8 - (key % 8), end - key);
            float* rows = widened;
            if (widen)
            {
                k->From(key).Widen(count, dim, widened, dim);
            }
            else
            {
                rows = k->Floats + (key * rowStride);
            }

            float* columns = packed + ((nint)(key / Width) * Width * dim) + (key % Width);
            int d = 0;
            if (count == 8)
            {
                for (; d + 8 <= dim; d += 8)
                {
                    Transpose(rows + d, rowStride, columns + ((nint)d * Width));
                }
            }

            for (; d < dim; d++)
            {
                for (int i = 0; i < count; i++)
                {
                    columns[((nint)d * Width) + i] = rows[(i * rowStride) + d];
                }
            }
        }

        int filled = end % Width;
        if (filled != 0 && end - filled >= firstKey)
        {
            float* panel = packed + ((nint)(end / Width) * Width * dim);
            for (int d = 0; d < dim; d++)
            {
                new Span<float>(panel + ((nint)d * Width) + filled, Width - filled).Clear();
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(float* rows, nint stride, float* columns)
    {
        Vector256<float> r0 = Vector256.Load(rows);
        Vector256<float> r1 = Vector256.Load(rows + stride);
        Vector256<float> r2 = Vector256.Load(rows + (2 * stride));
        Vector256<float> r3 = Vector256.Load(rows + (3 * stride));
        rows += 4 * stride;
        Vector256<float> r4 = Vector256.Load(rows);
        Vector256<float> r5 = Vector256.Load(rows + stride);
        Vector256<float> r6 = Vector256.Load(rows + (2 * stride));
        Vector256<float> r7 = Vector256.Load(rows + (3 * stride));

        Vector256<double> p01 = Avx.UnpackLow(r0, r1).AsDouble();
        Vector256<double> q01 = Avx.UnpackHigh(r0, r1).AsDouble();
        Vector256<double> p23 = Avx.UnpackLow(r2, r3).AsDouble();
        Vector256<double> q23 = Avx.UnpackHigh(r2, r3).AsDouble();
        Vector256<double> p45 = Avx.UnpackLow(r4, r5).AsDouble();
        Vector256<double> q45 = Avx.UnpackHigh(r4, r5).AsDouble();
        Vector256<double> p67 = Avx.UnpackLow(r6, r7).AsDouble();
        Vector256<double> q67 = Avx.UnpackHigh(r6, r7).AsDouble();

        Vector256<float> low0 = Avx.UnpackLow(p01, p23).AsSingle();
        Vector256<float> low1 = Avx.UnpackHigh(p01, p23).AsSingle();
        Vector256<float> low2 = Avx.UnpackLow(q01, q23).AsSingle();
        Vector256<float> low3 = Avx.UnpackHigh(q01, q23).AsSingle();
        Vector256<float> high0 = Avx.UnpackLow(p45, p67).AsSingle();
        Vector256<float> high1 = Avx.UnpackHigh(p45, p67).AsSingle();
        Vector256<float> high2 = Avx.UnpackLow(q45, q67).AsSingle();
        Vector256<float> high3 = Avx.UnpackHigh(q45, q67).AsSingle();

        Avx.Permute2x128(low0, high0, 0x20).Store(columns);
        Avx.Permute2x128(low1, high1, 0x20).Store(columns + Width);
        Avx.Permute2x128(low2, high2, 0x20).Store(columns + (2 * Width));
        Avx.Permute2x128(low3, high3, 0x20).Store(columns + (3 * Width));
        Avx.Permute2x128(low0, high0, 0x31).Store(columns + (4 * Width));
        Avx.Permute2x128(low1, high1, 0x31).Store(columns + (5 * Width));
        Avx.Permute2x128(low2, high2, 0x31).Store(columns + (6 * Width));
        Avx.Permute2x128(low3, high3, 0x31).Store(columns + (7 * Width));
    }
}
