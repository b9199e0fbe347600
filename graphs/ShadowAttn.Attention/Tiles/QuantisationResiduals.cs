using System.Numerics;
using System.Runtime.CompilerServices;

namespace ShadowAttn.Attention;

/// <summary>Norms of what quantising took away, and of what it left.</summary>
internal static unsafe class QuantisationResiduals
{
    /// <summary>|x - mean - scale·x8| and |scale·x8| of one row.</summary>
    /// <param name="x">fp32 [dim].</param>
    /// <param name="mean">fp32 [dim]; may be null.</param>
    /// <param name="x8">[dim].</param>
    /// <param name="scale">What one step of x8 means.</param>
    /// <param name="dim">Channels.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Residual, float Norm) Of(float* x, float* mean, sbyte* x8, float scale, int dim)
    {
        Vector<float> residuals = Vector<float>.Zero;
        Vector<float> norms = Vector<float>.Zero;
        Vector<float> steps = new(scale);
        int d = 0;
        for (; d <= dim - Vector<sbyte>.Count; d += Vector<sbyte>.Count)
        {
            Vector.Widen(Vector.Load(x8 + d), out Vector<short> low, out Vector<short> high);
            Vector.Widen(low, out Vector<int> a, out Vector<int> b);
            Vector.Widen(high, out Vector<int> c, out Vector<int> e);
            Add(a, d);
            Add(b, d + Vector<float>.Count);
            Add(c, d + (2 * Vector<float>.Count));
            Add(e, d + (3 * Vector<float>.Count));
        }

        double residual = Vector.Sum(residuals);
        double norm = Vector.Sum(norms);
        for (; d < dim; d++)
        {
            float kept = x8[d] * scale;
            float lost = x[d] - (mean is null ? 0 : mean[d]) - kept;
            residual += lost * lost;
            norm += kept * kept;
        }

        return ((float)Math.Sqrt(residual), (float)Math.Sqrt(norm));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void Add(Vector<int> quantised, int at)
        {
            Vector<float> kept = Vector.ConvertToSingle(quantised) * steps;
            Vector<float> lost = Vector.Load(x + at) - kept;
            lost -= mean is null ? Vector<float>.Zero : Vector.Load(mean + at);
            residuals = Vector.FusedMultiplyAdd(lost, lost, residuals);
            norms = Vector.FusedMultiplyAdd(kept, kept, norms);
        }
    }
}
