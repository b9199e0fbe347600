using System.Runtime.CompilerServices;
using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>
/// RoPE: channels x, y of pair i become x·cos a - y·sin a, x·sin a + y·cos a with a = position·base^(-2i/dim) / factor_i. Factors are 1, the
/// file's (<c>rope_freqs.weight</c>), those of linear scaling, or YaRN's mix of both with its temperature (Peng et al., 2023, eq. 17-22).
/// </summary>
internal sealed unsafe class RotaryEmbedding
{
    private const double YarnFastTurns = 32;
    private const double YarnSlowTurns = 1;

    private readonly RopePairing pairing;
    private readonly double[] frequencies;
    private readonly double temperature;
    private float[] cosines = [];
    private float[] sines = [];

    /// <summary>Makes the frequencies.</summary>
    /// <param name="config">The model.</param>
    /// <param name="factors">What the frequency of each pair is divided by; empty for 1.</param>
    public RotaryEmbedding(LlamaConfig config, ReadOnlySpan<float> factors)
    {
        pairing = config.RopePairing;
        temperature = config.RopeScaling == RopeScaling.Yarn ? config.RopeAttentionFactor * (1 + (0.1 * Math.Log(config.RopeFactor))) : 1;
        frequencies = new double[config.RopeDim / 2];
        (double low, double high) = YarnRange(config);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double frequency = Math.Pow(config.RopeBase, -2.0 * i / config.RopeDim) / (factors.IsEmpty ? 1 : factors[i]);
            double slow = frequency / config.RopeFactor;
            frequencies[i] = config.RopeScaling switch
            {
                RopeScaling.Linear => slow,
                RopeScaling.Yarn => double.Lerp(frequency, slow, Math.Clamp((i - low) / Math.Max(0.001, high - low), 0, 1)),
                _ => frequency,
            };
        }
    }

    /// <summary>Computes the angles of positions; <see cref="Turn"/> then turns rows of these.</summary>
    /// <param name="position">Position of the first row.</param>
    /// <param name="rows">Rows.</param>
    public void Prepare(int position, int rows)
    {
        int pairs = frequencies.Length;
        if (cosines.Length < rows * pairs)
        {
            cosines = new float[rows * pairs];
            sines = new float[rows * pairs];
        }

        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < pairs; i++)
            {
                (double sine, double cosine) = Math.SinCos((position + row) * frequencies[i]);
                cosines[(row * pairs) + i] = (float)(cosine * temperature);
                sines[(row * pairs) + i] = (float)(sine * temperature);
            }
        }
    }

    /// <summary>Turns one row of all heads in place.</summary>
    /// <param name="tensor">[heads, rows, headDim].</param>
    /// <param name="row">The row, counted from the first one prepared.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Turn(TensorView<float> tensor, int row)
    {
        int pairs = frequencies.Length;
        bool adjacent = pairing == RopePairing.Adjacent;
        int step = adjacent ? 2 : 1;
        int distance = adjacent ? 1 : pairs;
        fixed (float* c = cosines, s = sines)
        {
            float* cosine = c + ((nint)row * pairs);
            float* sine = s + ((nint)row * pairs);
            for (int head = 0; head < tensor.Length(0); head++)
            {
                float* x = tensor.RowPointer(head, row);
                for (int i = 0; i < pairs; i++, x += step)
                {
                    float a = x[0];
                    float b = x[distance];
                    x[0] = (a * cosine[i]) - (b * sine[i]);
                    x[distance] = (a * sine[i]) + (b * cosine[i]);
                }
            }
        }
    }

    // Pairs that turn more often than the fast bound in the original context keep their frequency, those below the slow bound are stretched.
    private static (double Low, double High) YarnRange(LlamaConfig config)
    {
        double Pair(double turns) => config.RopeDim * Math.Log(config.RopeOriginalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(config.RopeBase));
        return (Math.Max(0, Math.Floor(Pair(YarnFastTurns))), Math.Min(config.RopeDim - 1, Math.Ceiling(Pair(YarnSlowTurns))));
    }
}
