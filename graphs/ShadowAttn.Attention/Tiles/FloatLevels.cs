using System.Numerics;
using System.Runtime.CompilerServices;

namespace ShadowAttn.Attention;

/// <summary>
/// Float estimates of a row as 8-bit levels of equal width, three standard deviations to both sides of the mean: monotone, so that selection and
/// tail work on levels, and only keys at the threshold's level need to be compared as floats.
/// </summary>
internal static unsafe class FloatLevels
{
    private const float Deviations = 3;

    /// <summary>level = clamp(round((x - mean) / step), ±127); returns step and mean.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Step, float Origin) Quantize(float* x, int n, sbyte* levels)
    {
        (float mean, float deviation) = Moments(x, n);
        float step = deviation > 0 && float.IsFinite(deviation) ? deviation * Deviations / 127 : 1;
        Vector<float> factor = new(1 / step);
        Vector<float> centre = new(mean);
        Vector<float> low = new(-127);
        Vector<float> high = new(127);
        int i = 0;
        for (; i <= n - (4 * Vector<float>.Count); i += 4 * Vector<float>.Count)
        {
            Vector<int> a = Level(x + i);
            Vector<int> b = Level(x + i + Vector<float>.Count);
            Vector<int> c = Level(x + i + (2 * Vector<float>.Count));
            Vector<int> d = Level(x + i + (3 * Vector<float>.Count));
            Vector.Narrow(Vector.Narrow(a, b), Vector.Narrow(c, d)).Store(levels + i);
        }

        for (; i < n; i++)
        {
            levels[i] = (sbyte)Math.Clamp(MathF.Round((x[i] - mean) * (1 / step)), -127, 127);
        }

        return (step, mean);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        Vector<int> Level(float* p) =>
            Vector.ConvertToInt32(Vector.Round(Vector.Min(Vector.Max((Vector.Load(p) - centre) * factor, low), high)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Mean, float Deviation) Moments(float* x, int n)
    {
        Vector<float> sums = Vector<float>.Zero;
        Vector<float> squares = Vector<float>.Zero;
        Vector<float> first = new(x[0]);
        int i = 0;
        for (; i <= n - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> v = Vector.Load(x + i) - first;
            sums += v;
            squares += v * v;
        }

        double sum = Vector.Sum(sums);
        double square = Vector.Sum(squares);
        for (; i < n; i++)
        {
            double v = x[i] - x[0];
            sum += v;
            square += v * v;
        }

        double mean = sum / n;
        return ((float)(x[0] + mean), (float)Math.Sqrt(Math.Max((square / n) - (mean * mean), 0)));
    }
}
