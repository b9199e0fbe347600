namespace ShadowAttn.Attention;

/// <summary>Slopes of ALiBi, the additive bias slope·(key - query position) of <see cref="AttentionOptions.AlibiSlopes"/>.</summary>
public static class AlibiSlopes
{
    /// <summary>
    /// The slopes of the paper (Press et al., 2022): 2^(-8 i / heads) for i = 1 to heads when that is a power of two; else those of the next smaller power
    /// of two, followed by every second one of the next larger.
    /// </summary>
    /// <param name="heads">Query heads, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">No heads.</exception>
    public static float[] Standard(int heads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        int power = 1 << System.Numerics.BitOperations.Log2((uint)heads);
        var slopes = new float[heads];
        for (int i = 0; i < heads; i++)
        {
            double exponent = i < power ? -8.0 * (i + 1) / power : -4.0 * ((2 * (i - power)) + 1) / power;
            slopes[i] = (float)Math.Pow(2, exponent);
        }

        return slopes;
    }
}
