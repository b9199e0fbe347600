using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Register tiles of dense attention, R rows x C registers of 16 columns with every accumulator a named local: 6x4, 8x3, 12x2 (24
/// accumulators, C loads of the right operand and R broadcasts per step), 12x1 for what is left. Logits: rows of queries [6][step] against a
/// panel of 64 keys [step][64]. Values: probabilities [rows][<see cref="KeyBlock"/>] against value rows of any stride; a block of keys is
/// summed by itself and then added to the sums so far, scaled by what the running maximum has changed: errors grow with the block, not
/// the row.
/// </summary>
internal static unsafe partial class DenseTilesAvx512
{
    /// <summary>Keys between two updates of the running maximum.</summary>
    public const int KeyBlock = 512;

    /// <summary>Elements between rows of logits; off a power of two, so that rows do not share cache sets.</summary>
    public const int LogitStride = KeyBlock + 16;

    /// <summary>logits [6][64 of LogitStride] = queries [6][dim] times a panel [dim][64].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Logits(float* queries, nint queryStride, float* panel, int dim, float* logits)
    {
        float* row1 = queries + queryStride;
        float* row2 = row1 + queryStride;
        float* row3 = row2 + queryStride;
        float* row4 = row3 + queryStride;
        float* row5 = row4 + queryStride;
        Vector512<float> s0a = Vector512<float>.Zero;
        Vector512<float> s0b = Vector512<float>.Zero;
        Vector512<float> s0c = Vector512<float>.Zero;
        Vector512<float> s0d = Vector512<float>.Zero;
        Vector512<float> s1a = Vector512<float>.Zero;
        Vector512<float> s1b = Vector512<float>.Zero;
        Vector512<float> s1c = Vector512<float>.Zero;
        Vector512<float> s1d = Vector512<float>.Zero;
        Vector512<float> s2a = Vector512<float>.Zero;
        Vector512<float> s2b = Vector512<float>.Zero;
        Vector512<float> s2c = Vector512<float>.Zero;
        Vector512<float> s2d = Vector512<float>.Zero;
        Vector512<float> s3a = Vector512<float>.Zero;
        Vector512<float> s3b = Vector512<float>.Zero;
        Vector512<float> s3c = Vector512<float>.Zero;
        Vector512<float> s3d = Vector512<float>.Zero;
        Vector512<float> s4a = Vector512<float>.Zero;
        Vector512<float> s4b = Vector512<float>.Zero;
        Vector512<float> s4c = Vector512<float>.Zero;
        Vector512<float> s4d = Vector512<float>.Zero;
        Vector512<float> s5a = Vector512<float>.Zero;
        Vector512<float> s5b = Vector512<float>.Zero;
        Vector512<float> s5c = Vector512<float>.Zero;
        Vector512<float> s5d = Vector512<float>.Zero;
        for (nint d = 0; d < dim; d++, panel += 64)
        {
            Vector512<float> ka = Vector512.Load(panel);
            Vector512<float> kb = Vector512.Load(panel + 16);
            Vector512<float> kc = Vector512.Load(panel + 32);
            Vector512<float> kd = Vector512.Load(panel + 48);
            Vector512<float> q0 = Vector512.Create(queries[d]);
            s0a = Avx512F.FusedMultiplyAdd(q0, ka, s0a);
            s0b = Avx512F.FusedMultiplyAdd(q0, kb, s0b);
            s0c = Avx512F.FusedMultiplyAdd(q0, kc, s0c);
            s0d = Avx512F.FusedMultiplyAdd(q0, kd, s0d);
            Vector512<float> q1 = Vector512.Create(row1[d]);
            s1a = Avx512F.FusedMultiplyAdd(q1, ka, s1a);
            s1b = Avx512F.FusedMultiplyAdd(q1, kb, s1b);
            s1c = Avx512F.FusedMultiplyAdd(q1, kc, s1c);
            s1d = Avx512F.FusedMultiplyAdd(q1, kd, s1d);
            Vector512<float> q2 = Vector512.Create(row2[d]);
            s2a = Avx512F.FusedMultiplyAdd(q2, ka, s2a);
            s2b = Avx512F.FusedMultiplyAdd(q2, kb, s2b);
            s2c = Avx512F.FusedMultiplyAdd(q2, kc, s2c);
            s2d = Avx512F.FusedMultiplyAdd(q2, kd, s2d);
            Vector512<float> q3 = Vector512.Create(row3[d]);
            s3a = Avx512F.FusedMultiplyAdd(q3, ka, s3a);
            s3b = Avx512F.FusedMultiplyAdd(q3, kb, s3b);
            s3c = Avx512F.FusedMultiplyAdd(q3, kc, s3c);
            s3d = Avx512F.FusedMultiplyAdd(q3, kd, s3d);
            Vector512<float> q4 = Vector512.Create(row4[d]);
            s4a = Avx512F.FusedMultiplyAdd(q4, ka, s4a);
            s4b = Avx512F.FusedMultiplyAdd(q4, kb, s4b);
            s4c = Avx512F.FusedMultiplyAdd(q4, kc, s4c);
            s4d = Avx512F.FusedMultiplyAdd(q4, kd, s4d);
            Vector512<float> q5 = Vector512.Create(row5[d]);
            s5a = Avx512F.FusedMultiplyAdd(q5, ka, s5a);
            s5b = Avx512F.FusedMultiplyAdd(q5, kb, s5b);
            s5c = Avx512F.FusedMultiplyAdd(q5, kc, s5c);
            s5d = Avx512F.FusedMultiplyAdd(q5, kd, s5d);
        }

        s0a.Store(logits + (0 * LogitStride));
        s0b.Store(logits + (0 * LogitStride) + 16);
        s0c.Store(logits + (0 * LogitStride) + 32);
        s0d.Store(logits + (0 * LogitStride) + 48);
        s1a.Store(logits + (1 * LogitStride));
        s1b.Store(logits + (1 * LogitStride) + 16);
        s1c.Store(logits + (1 * LogitStride) + 32);
        s1d.Store(logits + (1 * LogitStride) + 48);
        s2a.Store(logits + (2 * LogitStride));
        s2b.Store(logits + (2 * LogitStride) + 16);
        s2c.Store(logits + (2 * LogitStride) + 32);
        s2d.Store(logits + (2 * LogitStride) + 48);
        s3a.Store(logits + (3 * LogitStride));
        s3b.Store(logits + (3 * LogitStride) + 16);
        s3c.Store(logits + (3 * LogitStride) + 32);
        s3d.Store(logits + (3 * LogitStride) + 48);
        s4a.Store(logits + (4 * LogitStride));
        s4b.Store(logits + (4 * LogitStride) + 16);
        s4c.Store(logits + (4 * LogitStride) + 32);
        s4d.Store(logits + (4 * LogitStride) + 48);
        s5a.Store(logits + (5 * LogitStride));
        s5b.Store(logits + (5 * LogitStride) + 16);
        s5c.Store(logits + (5 * LogitStride) + 32);
        s5d.Store(logits + (5 * LogitStride) + 48);
    }

    /// <summary>sums [6][64] = sums·shrink + weights [6][keys] times values [keys][64].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values6x4(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector512<float> s0a = Vector512<float>.Zero;
        Vector512<float> s0b = Vector512<float>.Zero;
        Vector512<float> s0c = Vector512<float>.Zero;
        Vector512<float> s0d = Vector512<float>.Zero;
        Vector512<float> s1a = Vector512<float>.Zero;
        Vector512<float> s1b = Vector512<float>.Zero;
        Vector512<float> s1c = Vector512<float>.Zero;
        Vector512<float> s1d = Vector512<float>.Zero;
        Vector512<float> s2a = Vector512<float>.Zero;
        Vector512<float> s2b = Vector512<float>.Zero;
        Vector512<float> s2c = Vector512<float>.Zero;
        Vector512<float> s2d = Vector512<float>.Zero;
        Vector512<float> s3a = Vector512<float>.Zero;
        Vector512<float> s3b = Vector512<float>.Zero;
        Vector512<float> s3c = Vector512<float>.Zero;
        Vector512<float> s3d = Vector512<float>.Zero;
        Vector512<float> s4a = Vector512<float>.Zero;
        Vector512<float> s4b = Vector512<float>.Zero;
        Vector512<float> s4c = Vector512<float>.Zero;
        Vector512<float> s4d = Vector512<float>.Zero;
        Vector512<float> s5a = Vector512<float>.Zero;
        Vector512<float> s5b = Vector512<float>.Zero;
        Vector512<float> s5c = Vector512<float>.Zero;
        Vector512<float> s5d = Vector512<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector512<float> va = Vector512.Load(values);
            Vector512<float> vb = Vector512.Load(values + 16);
            Vector512<float> vc = Vector512.Load(values + 32);
            Vector512<float> vd = Vector512.Load(values + 48);
            Vector512<float> w0 = Vector512.Create(weights[0]);
            s0a = Avx512F.FusedMultiplyAdd(w0, va, s0a);
            s0b = Avx512F.FusedMultiplyAdd(w0, vb, s0b);
            s0c = Avx512F.FusedMultiplyAdd(w0, vc, s0c);
            s0d = Avx512F.FusedMultiplyAdd(w0, vd, s0d);
            Vector512<float> w1 = Vector512.Create(weights[1 * LogitStride]);
            s1a = Avx512F.FusedMultiplyAdd(w1, va, s1a);
            s1b = Avx512F.FusedMultiplyAdd(w1, vb, s1b);
            s1c = Avx512F.FusedMultiplyAdd(w1, vc, s1c);
            s1d = Avx512F.FusedMultiplyAdd(w1, vd, s1d);
            Vector512<float> w2 = Vector512.Create(weights[2 * LogitStride]);
            s2a = Avx512F.FusedMultiplyAdd(w2, va, s2a);
            s2b = Avx512F.FusedMultiplyAdd(w2, vb, s2b);
            s2c = Avx512F.FusedMultiplyAdd(w2, vc, s2c);
            s2d = Avx512F.FusedMultiplyAdd(w2, vd, s2d);
            Vector512<float> w3 = Vector512.Create(weights[3 * LogitStride]);
            s3a = Avx512F.FusedMultiplyAdd(w3, va, s3a);
            s3b = Avx512F.FusedMultiplyAdd(w3, vb, s3b);
            s3c = Avx512F.FusedMultiplyAdd(w3, vc, s3c);
            s3d = Avx512F.FusedMultiplyAdd(w3, vd, s3d);
            Vector512<float> w4 = Vector512.Create(weights[4 * LogitStride]);
            s4a = Avx512F.FusedMultiplyAdd(w4, va, s4a);
            s4b = Avx512F.FusedMultiplyAdd(w4, vb, s4b);
            s4c = Avx512F.FusedMultiplyAdd(w4, vc, s4c);
            s4d = Avx512F.FusedMultiplyAdd(w4, vd, s4d);
            Vector512<float> w5 = Vector512.Create(weights[5 * LogitStride]);
            s5a = Avx512F.FusedMultiplyAdd(w5, va, s5a);
            s5b = Avx512F.FusedMultiplyAdd(w5, vb, s5b);
            s5c = Avx512F.FusedMultiplyAdd(w5, vc, s5c);
            s5d = Avx512F.FusedMultiplyAdd(w5, vd, s5d);
        }

        Vector512<float> f = Vector512.Create(shrink[0]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s0a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s0b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s0c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s0d).Store(sums + 48);
        sums += sumStride;
        f = Vector512.Create(shrink[1]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s1a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s1b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s1c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s1d).Store(sums + 48);
        sums += sumStride;
        f = Vector512.Create(shrink[2]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s2a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s2b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s2c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s2d).Store(sums + 48);
        sums += sumStride;
        f = Vector512.Create(shrink[3]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s3a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s3b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s3c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s3d).Store(sums + 48);
        sums += sumStride;
        f = Vector512.Create(shrink[4]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s4a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s4b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s4c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s4d).Store(sums + 48);
        sums += sumStride;
        f = Vector512.Create(shrink[5]);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums), f, s5a).Store(sums);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 16), f, s5b).Store(sums + 16);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 32), f, s5c).Store(sums + 32);
        Avx512F.FusedMultiplyAdd(Vector512.Load(sums + 48), f, s5d).Store(sums + 48);
    }
}
