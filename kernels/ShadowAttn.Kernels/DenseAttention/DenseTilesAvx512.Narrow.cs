using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <content>The tiles for columns that do not fill four registers.</content>
internal static unsafe partial class DenseTilesAvx512
{
    /// <summary>sums [8][48] = sums·shrink + weights [8][keys] times values [keys][48].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values8x3(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector512<float> s0a = Vector512<float>.Zero;
        Vector512<float> s0b = Vector512<float>.Zero;
        Vector512<float> s0c = Vector512<float>.Zero;
        Vector512<float> s1a = Vector512<float>.Zero;
        Vector512<float> s1b = Vector512<float>.Zero;
        Vector512<float> s1c = Vector512<float>.Zero;
        Vector512<float> s2a = Vector512<float>.Zero;
        Vector512<float> s2b = Vector512<float>.Zero;
        Vector512<float> s2c = Vector512<float>.Zero;
        Vector512<float> s3a = Vector512<float>.Zero;
        Vector512<float> s3b = Vector512<float>.Zero;
        Vector512<float> s3c = Vector512<float>.Zero;
        Vector512<float> s4a = Vector512<float>.Zero;
        Vector512<float> s4b = Vector512<float>.Zero;
        Vector512<float> s4c = Vector512<float>.Zero;
        Vector512<float> s5a = Vector512<float>.Zero;
        Vector512<float> s5b = Vector512<float>.Zero;
        Vector512<float> s5c = Vector512<float>.Zero;
        Vector512<float> s6a = Vector512<float>.Zero;
        Vector512<float> s6b = Vector512<float>.Zero;
        Vector512<float> s6c = Vector512<float>.Zero;
        Vector512<float> s7a = Vector512<float>.Zero;
        Vector512<float> s7b = Vector512<float>.Zero;
        Vector512<float> s7c = Vector512<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector512<float> va = Vector512.Load(values);
            Vector512<float> vb = Vector512.Load(values + 16);
            Vector512<float> vc = Vector512.Load(values + 32);
            Vector512<float> w0 = Vector512.Create(weights[0]);
            s0a = Avx512F.FusedMultiplyAdd(w0, va, s0a);
            s0b = Avx512F.FusedMultiplyAdd(w0, vb, s0b);
            s0c = Avx512F.FusedMultiplyAdd(w0, vc, s0c);
            Vector512<float> w1 = Vector512.Create(weights[1 * LogitStride]);
            s1a = Avx512F.FusedMultiplyAdd(w1, va, s1a);
            s1b = Avx512F.FusedMultiplyAdd(w1, vb, s1b);
            s1c = Avx512F.FusedMultiplyAdd(w1, vc, s1c);
            Vector512<float> w2 = Vector512.Create(weights[2 * LogitStride]);
            s2a = Avx512F.FusedMultiplyAdd(w2, va, s2a);
            s2b = Avx512F.FusedMultiplyAdd(w2, vb, s2b);
            s2c = Avx512F.FusedMultiplyAdd(w2, vc, s2c);
            Vector512<float> w3 = Vector512.Create(weights[3 * LogitStride]);
            s3a = Avx512F.FusedMultiplyAdd(w3, va, s3a);
            s3b = Avx512F.FusedMultiplyAdd(w3, vb, s3b);
            s3c = Avx512F.FusedMultiplyAdd(w3, vc, s3c);
            Vector512<float> w4 = Vector512.Create(weights[4 * LogitStride]);
            s4a = Avx512F.FusedMultiplyAdd(w4, va, s4a);
            s4b = Avx512F.FusedMultiplyAdd(w4, vb, s4b);
            s4c = Avx512F.FusedMultiplyAdd(w4, vc, s4c);
            Vector512<float> w5 = Vector512.Create(weights[5 * LogitStride]);
            s5a = Avx512F.FusedMultiplyAdd(w5, va, s5a);
            s5b = Avx512F.FusedMultiplyAdd(w5, vb, s5b);
            s5c = Avx512F.FusedMultiplyAdd(w5, vc, s5c);
            Vector512<float> w6 = Vector512.Create(weights[6 * LogitStride]);
            s6a = Avx512F.FusedMultiplyAdd(w6, va, s6a);
            s6b = Avx512F.FusedMultiplyAdd(w6, vb, s6b);
            s6c = Avx512F.FusedMultiplyAdd(w6, vc, s6c);
            Vector512<float> w7 = Vector512.Create(weights[7 * LogitStride]);
            s7a = Avx512F.FusedMultiplyAdd(w7, va, s7a);
            s7b = Avx512F.FusedMultiplyAdd(w7, vb, s7b);
            s7c = Avx512F.FusedMultiplyAdd(w7, vc, s7c);
        }

        Vector512<float> f = Vector512.Create(shrink[0]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s0a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s0b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s0c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[1]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s1a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s1b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s1c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[2]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s2a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s2b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s2c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[3]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s3a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s3b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s3c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[4]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s4a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s4b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s4c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[5]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s5a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s5b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s5c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[6]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s6a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s6b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s6c).Store(sums + 32);
        sums += sumStride;
        f = Vector512.Create(shrink[7]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s7a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s7b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s7c).Store(sums + 32);
    }

    /// <summary>sums [12][32] = sums·shrink + weights [12][keys] times values [keys][32].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values12x2(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector512<float> s0a = Vector512<float>.Zero;
        Vector512<float> s0b = Vector512<float>.Zero;
        Vector512<float> s1a = Vector512<float>.Zero;
        Vector512<float> s1b = Vector512<float>.Zero;
        Vector512<float> s2a = Vector512<float>.Zero;
        Vector512<float> s2b = Vector512<float>.Zero;
        Vector512<float> s3a = Vector512<float>.Zero;
        Vector512<float> s3b = Vector512<float>.Zero;
        Vector512<float> s4a = Vector512<float>.Zero;
        Vector512<float> s4b = Vector512<float>.Zero;
        Vector512<float> s5a = Vector512<float>.Zero;
        Vector512<float> s5b = Vector512<float>.Zero;
        Vector512<float> s6a = Vector512<float>.Zero;
        Vector512<float> s6b = Vector512<float>.Zero;
        Vector512<float> s7a = Vector512<float>.Zero;
        Vector512<float> s7b = Vector512<float>.Zero;
        Vector512<float> s8a = Vector512<float>.Zero;
        Vector512<float> s8b = Vector512<float>.Zero;
        Vector512<float> s9a = Vector512<float>.Zero;
        Vector512<float> s9b = Vector512<float>.Zero;
        Vector512<float> s10a = Vector512<float>.Zero;
        Vector512<float> s10b = Vector512<float>.Zero;
        Vector512<float> s11a = Vector512<float>.Zero;
        Vector512<float> s11b = Vector512<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector512<float> va = Vector512.Load(values);
            Vector512<float> vb = Vector512.Load(values + 16);
            Vector512<float> w0 = Vector512.Create(weights[0]);
            s0a = Avx512F.FusedMultiplyAdd(w0, va, s0a);
            s0b = Avx512F.FusedMultiplyAdd(w0, vb, s0b);
            Vector512<float> w1 = Vector512.Create(weights[1 * LogitStride]);
            s1a = Avx512F.FusedMultiplyAdd(w1, va, s1a);
            s1b = Avx512F.FusedMultiplyAdd(w1, vb, s1b);
            Vector512<float> w2 = Vector512.Create(weights[2 * LogitStride]);
            s2a = Avx512F.FusedMultiplyAdd(w2, va, s2a);
            s2b = Avx512F.FusedMultiplyAdd(w2, vb, s2b);
            Vector512<float> w3 = Vector512.Create(weights[3 * LogitStride]);
            s3a = Avx512F.FusedMultiplyAdd(w3, va, s3a);
            s3b = Avx512F.FusedMultiplyAdd(w3, vb, s3b);
            Vector512<float> w4 = Vector512.Create(weights[4 * LogitStride]);
            s4a = Avx512F.FusedMultiplyAdd(w4, va, s4a);
            s4b = Avx512F.FusedMultiplyAdd(w4, vb, s4b);
            Vector512<float> w5 = Vector512.Create(weights[5 * LogitStride]);
            s5a = Avx512F.FusedMultiplyAdd(w5, va, s5a);
            s5b = Avx512F.FusedMultiplyAdd(w5, vb, s5b);
            Vector512<float> w6 = Vector512.Create(weights[6 * LogitStride]);
            s6a = Avx512F.FusedMultiplyAdd(w6, va, s6a);
            s6b = Avx512F.FusedMultiplyAdd(w6, vb, s6b);
            Vector512<float> w7 = Vector512.Create(weights[7 * LogitStride]);
            s7a = Avx512F.FusedMultiplyAdd(w7, va, s7a);
            s7b = Avx512F.FusedMultiplyAdd(w7, vb, s7b);
            Vector512<float> w8 = Vector512.Create(weights[8 * LogitStride]);
            s8a = Avx512F.FusedMultiplyAdd(w8, va, s8a);
            s8b = Avx512F.FusedMultiplyAdd(w8, vb, s8b);
            Vector512<float> w9 = Vector512.Create(weights[9 * LogitStride]);
            s9a = Avx512F.FusedMultiplyAdd(w9, va, s9a);
            s9b = Avx512F.FusedMultiplyAdd(w9, vb, s9b);
            Vector512<float> w10 = Vector512.Create(weights[10 * LogitStride]);
            s10a = Avx512F.FusedMultiplyAdd(w10, va, s10a);
            s10b = Avx512F.FusedMultiplyAdd(w10, vb, s10b);
            Vector512<float> w11 = Vector512.Create(weights[11 * LogitStride]);
            s11a = Avx512F.FusedMultiplyAdd(w11, va, s11a);
            s11b = Avx512F.FusedMultiplyAdd(w11, vb, s11b);
        }

        Vector512<float> f = Vector512.Create(shrink[0]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s0a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s0b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[1]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s1a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s1b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[2]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s2a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s2b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[3]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s3a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s3b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[4]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s4a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s4b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[5]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s5a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s5b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[6]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s6a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s6b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[7]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s7a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s7b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[8]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s8a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s8b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[9]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s9a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s9b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[10]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s10a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s10b).Store(sums + 16);
        sums += sumStride;
        f = Vector512.Create(shrink[11]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s11a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s11b).Store(sums + 16);
    }

    /// <summary>sums [12][16] = sums·shrink + weights [12][keys] times values [keys][16].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values12x1(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector512<float> s0a = Vector512<float>.Zero;
        Vector512<float> s1a = Vector512<float>.Zero;
        Vector512<float> s2a = Vector512<float>.Zero;
        Vector512<float> s3a = Vector512<float>.Zero;
        Vector512<float> s4a = Vector512<float>.Zero;
        Vector512<float> s5a = Vector512<float>.Zero;
        Vector512<float> s6a = Vector512<float>.Zero;
        Vector512<float> s7a = Vector512<float>.Zero;
        Vector512<float> s8a = Vector512<float>.Zero;
        Vector512<float> s9a = Vector512<float>.Zero;
        Vector512<float> s10a = Vector512<float>.Zero;
        Vector512<float> s11a = Vector512<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector512<float> va = Vector512.Load(values);
            Vector512<float> w0 = Vector512.Create(weights[0]);
            s0a = Avx512F.FusedMultiplyAdd(w0, va, s0a);
            Vector512<float> w1 = Vector512.Create(weights[1 * LogitStride]);
            s1a = Avx512F.FusedMultiplyAdd(w1, va, s1a);
            Vector512<float> w2 = Vector512.Create(weights[2 * LogitStride]);
            s2a = Avx512F.FusedMultiplyAdd(w2, va, s2a);
            Vector512<float> w3 = Vector512.Create(weights[3 * LogitStride]);
            s3a = Avx512F.FusedMultiplyAdd(w3, va, s3a);
            Vector512<float> w4 = Vector512.Create(weights[4 * LogitStride]);
            s4a = Avx512F.FusedMultiplyAdd(w4, va, s4a);
            Vector512<float> w5 = Vector512.Create(weights[5 * LogitStride]);
            s5a = Avx512F.FusedMultiplyAdd(w5, va, s5a);
            Vector512<float> w6 = Vector512.Create(weights[6 * LogitStride]);
            s6a = Avx512F.FusedMultiplyAdd(w6, va, s6a);
            Vector512<float> w7 = Vector512.Create(weights[7 * LogitStride]);
            s7a = Avx512F.FusedMultiplyAdd(w7, va, s7a);
            Vector512<float> w8 = Vector512.Create(weights[8 * LogitStride]);
            s8a = Avx512F.FusedMultiplyAdd(w8, va, s8a);
            Vector512<float> w9 = Vector512.Create(weights[9 * LogitStride]);
            s9a = Avx512F.FusedMultiplyAdd(w9, va, s9a);
            Vector512<float> w10 = Vector512.Create(weights[10 * LogitStride]);
            s10a = Avx512F.FusedMultiplyAdd(w10, va, s10a);
            Vector512<float> w11 = Vector512.Create(weights[11 * LogitStride]);
            s11a = Avx512F.FusedMultiplyAdd(w11, va, s11a);
        }

        Vector512<float> f = Vector512.Create(shrink[0]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s0a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[1]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s1a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[2]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s2a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[3]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s3a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[4]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s4a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[5]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s5a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[6]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s6a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[7]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s7a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[8]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s8a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[9]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s9a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[10]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s10a).Store(sums);
        sums += sumStride;
        f = Vector512.Create(shrink[11]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s11a).Store(sums);
    }

    /// <summary>The same for 6 rows and the last <paramref name="columns"/> columns, fewer than 16; the rest of each sum is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ValuesRest(
        float* weights, float* values, nint valueStride, int columns, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector512<float> part = LaneMasks.First512(columns).AsSingle();
        Vector512<float> s0 = Vector512<float>.Zero;
        Vector512<float> s1 = Vector512<float>.Zero;
        Vector512<float> s2 = Vector512<float>.Zero;
        Vector512<float> s3 = Vector512<float>.Zero;
        Vector512<float> s4 = Vector512<float>.Zero;
        Vector512<float> s5 = Vector512<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector512<float> v = Avx512F.MaskLoad(values, part, Vector512<float>.Zero);
            s0 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[0]), v, s0);
            s1 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[1 * LogitStride]), v, s1);
            s2 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[2 * LogitStride]), v, s2);
            s3 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[3 * LogitStride]), v, s3);
            s4 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[4 * LogitStride]), v, s4);
            s5 = Avx512F.FusedMultiplyAdd(Vector512.Create(weights[5 * LogitStride]), v, s5);
        }

        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), Vector512.Create(shrink[0]), s0).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + (1 * sumStride)), Vector512.Create(shrink[1]), s1).Store(sums + (1 * sumStride));
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + (2 * sumStride)), Vector512.Create(shrink[2]), s2).Store(sums + (2 * sumStride));
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + (3 * sumStride)), Vector512.Create(shrink[3]), s3).Store(sums + (3 * sumStride));
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + (4 * sumStride)), Vector512.Create(shrink[4]), s4).Store(sums + (4 * sumStride));
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + (5 * sumStride)), Vector512.Create(shrink[5]), s5).Store(sums + (5 * sumStride));
    }
}
