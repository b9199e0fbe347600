using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Register tiles of dense attention, 6 rows x C registers of 8 columns with every accumulator a named local: 12 accumulators, 2 loads of
/// the right operand and 6 broadcasts per step. Logits: rows of queries [6][step] against a quarter of a panel of 64 keys [step][64]. Values:
/// probabilities [rows][<see cref="KeyBlock"/>] against value rows of any stride; a block of keys is summed by itself and then added to the
/// sums so far, scaled by what the running maximum has changed: errors grow with the block, not the row.
/// </summary>
internal static unsafe class DenseTilesAvx2
{
    /// <summary>Keys between two updates of the running maximum.</summary>
    public const int KeyBlock = 512;

    /// <summary>Elements between rows of logits; off a power of two, so that rows do not share cache sets.</summary>
    public const int LogitStride = KeyBlock + 16;

    /// <summary>logits [6][16 of LogitStride] = queries [6][dim] times 16 columns of a panel [dim][64].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Logits(float* queries, nint queryStride, float* panel, int dim, float* logits)
    {
        float* row1 = queries + queryStride;
        float* row2 = row1 + queryStride;
        float* row3 = row2 + queryStride;
        float* row4 = row3 + queryStride;
        float* row5 = row4 + queryStride;
        Vector256<float> s0a = Vector256<float>.Zero;
        Vector256<float> s0b = Vector256<float>.Zero;
        Vector256<float> s1a = Vector256<float>.Zero;
        Vector256<float> s1b = Vector256<float>.Zero;
        Vector256<float> s2a = Vector256<float>.Zero;
        Vector256<float> s2b = Vector256<float>.Zero;
        Vector256<float> s3a = Vector256<float>.Zero;
        Vector256<float> s3b = Vector256<float>.Zero;
        Vector256<float> s4a = Vector256<float>.Zero;
        Vector256<float> s4b = Vector256<float>.Zero;
        Vector256<float> s5a = Vector256<float>.Zero;
        Vector256<float> s5b = Vector256<float>.Zero;
        for (nint d = 0; d < dim; d++, panel += 64)
        {
            Vector256<float> ka = Vector256.Load(panel);
            Vector256<float> kb = Vector256.Load(panel + 8);
            Vector256<float> q0 = Vector256.Create(queries[d]);
            s0a = Fma.MultiplyAdd(q0, ka, s0a);
            s0b = Fma.MultiplyAdd(q0, kb, s0b);
            Vector256<float> q1 = Vector256.Create(row1[d]);
            s1a = Fma.MultiplyAdd(q1, ka, s1a);
            s1b = Fma.MultiplyAdd(q1, kb, s1b);
            Vector256<float> q2 = Vector256.Create(row2[d]);
            s2a = Fma.MultiplyAdd(q2, ka, s2a);
            s2b = Fma.MultiplyAdd(q2, kb, s2b);
            Vector256<float> q3 = Vector256.Create(row3[d]);
            s3a = Fma.MultiplyAdd(q3, ka, s3a);
            s3b = Fma.MultiplyAdd(q3, kb, s3b);
            Vector256<float> q4 = Vector256.Create(row4[d]);
            s4a = Fma.MultiplyAdd(q4, ka, s4a);
            s4b = Fma.MultiplyAdd(q4, kb, s4b);
            Vector256<float> q5 = Vector256.Create(row5[d]);
            s5a = Fma.MultiplyAdd(q5, ka, s5a);
            s5b = Fma.MultiplyAdd(q5, kb, s5b);
        }

        s0a.Store(logits + (0 * LogitStride));
        s0b.Store(logits + (0 * LogitStride) + 8);
        s1a.Store(logits + (1 * LogitStride));
        s1b.Store(logits + (1 * LogitStride) + 8);
        s2a.Store(logits + (2 * LogitStride));
        s2b.Store(logits + (2 * LogitStride) + 8);
        s3a.Store(logits + (3 * LogitStride));
        s3b.Store(logits + (3 * LogitStride) + 8);
        s4a.Store(logits + (4 * LogitStride));
        s4b.Store(logits + (4 * LogitStride) + 8);
        s5a.Store(logits + (5 * LogitStride));
        s5b.Store(logits + (5 * LogitStride) + 8);
    }

    /// <summary>sums [6][16] = sums·shrink + weights [6][keys] times values [keys][16].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values6x2(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector256<float> s0a = Vector256<float>.Zero;
        Vector256<float> s0b = Vector256<float>.Zero;
        Vector256<float> s1a = Vector256<float>.Zero;
        Vector256<float> s1b = Vector256<float>.Zero;
        Vector256<float> s2a = Vector256<float>.Zero;
        Vector256<float> s2b = Vector256<float>.Zero;
        Vector256<float> s3a = Vector256<float>.Zero;
        Vector256<float> s3b = Vector256<float>.Zero;
        Vector256<float> s4a = Vector256<float>.Zero;
        Vector256<float> s4b = Vector256<float>.Zero;
        Vector256<float> s5a = Vector256<float>.Zero;
        Vector256<float> s5b = Vector256<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector256<float> va = Vector256.Load(values);
            Vector256<float> vb = Vector256.Load(values + 8);
            Vector256<float> w0 = Vector256.Create(weights[0]);
            s0a = Fma.MultiplyAdd(w0, va, s0a);
            s0b = Fma.MultiplyAdd(w0, vb, s0b);
            Vector256<float> w1 = Vector256.Create(weights[1 * LogitStride]);
            s1a = Fma.MultiplyAdd(w1, va, s1a);
            s1b = Fma.MultiplyAdd(w1, vb, s1b);
            Vector256<float> w2 = Vector256.Create(weights[2 * LogitStride]);
            s2a = Fma.MultiplyAdd(w2, va, s2a);
            s2b = Fma.MultiplyAdd(w2, vb, s2b);
            Vector256<float> w3 = Vector256.Create(weights[3 * LogitStride]);
            s3a = Fma.MultiplyAdd(w3, va, s3a);
            s3b = Fma.MultiplyAdd(w3, vb, s3b);
            Vector256<float> w4 = Vector256.Create(weights[4 * LogitStride]);
            s4a = Fma.MultiplyAdd(w4, va, s4a);
            s4b = Fma.MultiplyAdd(w4, vb, s4b);
            Vector256<float> w5 = Vector256.Create(weights[5 * LogitStride]);
            s5a = Fma.MultiplyAdd(w5, va, s5a);
            s5b = Fma.MultiplyAdd(w5, vb, s5b);
        }

        Vector256<float> f = Vector256.Create(shrink[0]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s0a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s0b).Store(sums + 8);
        sums += sumStride;
        f = Vector256.Create(shrink[1]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s1a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s1b).Store(sums + 8);
        sums += sumStride;
        f = Vector256.Create(shrink[2]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s2a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s2b).Store(sums + 8);
        sums += sumStride;
        f = Vector256.Create(shrink[3]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s3a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s3b).Store(sums + 8);
        sums += sumStride;
        f = Vector256.Create(shrink[4]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s4a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s4b).Store(sums + 8);
        sums += sumStride;
        f = Vector256.Create(shrink[5]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s5a).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + 8), f, s5b).Store(sums + 8);
    }

    /// <summary>sums [6][8] = sums·shrink + weights [6][keys] times values [keys][8].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Values6x1(float* weights, float* values, nint valueStride, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector256<float> s0a = Vector256<float>.Zero;
        Vector256<float> s1a = Vector256<float>.Zero;
        Vector256<float> s2a = Vector256<float>.Zero;
        Vector256<float> s3a = Vector256<float>.Zero;
        Vector256<float> s4a = Vector256<float>.Zero;
        Vector256<float> s5a = Vector256<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector256<float> va = Vector256.Load(values);
            Vector256<float> w0 = Vector256.Create(weights[0]);
            s0a = Fma.MultiplyAdd(w0, va, s0a);
            Vector256<float> w1 = Vector256.Create(weights[1 * LogitStride]);
            s1a = Fma.MultiplyAdd(w1, va, s1a);
            Vector256<float> w2 = Vector256.Create(weights[2 * LogitStride]);
            s2a = Fma.MultiplyAdd(w2, va, s2a);
            Vector256<float> w3 = Vector256.Create(weights[3 * LogitStride]);
            s3a = Fma.MultiplyAdd(w3, va, s3a);
            Vector256<float> w4 = Vector256.Create(weights[4 * LogitStride]);
            s4a = Fma.MultiplyAdd(w4, va, s4a);
            Vector256<float> w5 = Vector256.Create(weights[5 * LogitStride]);
            s5a = Fma.MultiplyAdd(w5, va, s5a);
        }

        Vector256<float> f = Vector256.Create(shrink[0]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s0a).Store(sums);
        sums += sumStride;
        f = Vector256.Create(shrink[1]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s1a).Store(sums);
        sums += sumStride;
        f = Vector256.Create(shrink[2]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s2a).Store(sums);
        sums += sumStride;
        f = Vector256.Create(shrink[3]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s3a).Store(sums);
        sums += sumStride;
        f = Vector256.Create(shrink[4]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s4a).Store(sums);
        sums += sumStride;
        f = Vector256.Create(shrink[5]);
        Fma.MultiplyAdd(Vector256.Load(sums), f, s5a).Store(sums);
    }

    /// <summary>The same for 6 rows and the last <paramref name="columns"/> columns, fewer than 8; the rest of each sum is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ValuesRest(
        float* weights, float* values, nint valueStride, int columns, int keys, float* shrink, float* sums, nint sumStride)
    {
        Vector256<float> part = LaneMasks.First256(columns).AsSingle();
        Vector256<float> s0 = Vector256<float>.Zero;
        Vector256<float> s1 = Vector256<float>.Zero;
        Vector256<float> s2 = Vector256<float>.Zero;
        Vector256<float> s3 = Vector256<float>.Zero;
        Vector256<float> s4 = Vector256<float>.Zero;
        Vector256<float> s5 = Vector256<float>.Zero;
        for (int i = 0; i < keys; i++, weights++, values += valueStride)
        {
            Vector256<float> v = Avx.MaskLoad(values, part);
            s0 = Fma.MultiplyAdd(Vector256.Create(weights[0]), v, s0);
            s1 = Fma.MultiplyAdd(Vector256.Create(weights[1 * LogitStride]), v, s1);
            s2 = Fma.MultiplyAdd(Vector256.Create(weights[2 * LogitStride]), v, s2);
            s3 = Fma.MultiplyAdd(Vector256.Create(weights[3 * LogitStride]), v, s3);
            s4 = Fma.MultiplyAdd(Vector256.Create(weights[4 * LogitStride]), v, s4);
            s5 = Fma.MultiplyAdd(Vector256.Create(weights[5 * LogitStride]), v, s5);
        }

        Fma.MultiplyAdd(Vector256.Load(sums), Vector256.Create(shrink[0]), s0).Store(sums);
        Fma.MultiplyAdd(Vector256.Load(sums + (1 * sumStride)), Vector256.Create(shrink[1]), s1).Store(sums + (1 * sumStride));
        Fma.MultiplyAdd(Vector256.Load(sums + (2 * sumStride)), Vector256.Create(shrink[2]), s2).Store(sums + (2 * sumStride));
        Fma.MultiplyAdd(Vector256.Load(sums + (3 * sumStride)), Vector256.Create(shrink[3]), s3).Store(sums + (3 * sumStride));
        Fma.MultiplyAdd(Vector256.Load(sums + (4 * sumStride)), Vector256.Create(shrink[4]), s4).Store(sums + (4 * sumStride));
        Fma.MultiplyAdd(Vector256.Load(sums + (5 * sumStride)), Vector256.Create(shrink[5]), s5).Store(sums + (5 * sumStride));
    }
}
