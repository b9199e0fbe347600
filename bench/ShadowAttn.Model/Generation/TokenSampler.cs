namespace ShadowAttn.Model.Generation;

/// <summary>Chooses the next token: the most likely one, or by chance with a temperature.</summary>
/// <param name="temperature">0 for the most likely; otherwise logits are divided by it before the softmax.</param>
/// <param name="seed">Of the chance: the same seed, the same tokens.</param>
public sealed class TokenSampler(float temperature, int seed)
{
    private readonly Random random = new(seed);
    private double[] weights = [];

    /// <summary>The next token.</summary>
    /// <param name="logits">fp32 [vocabulary].</param>
    public int Next(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }

        if (temperature == 0)
        {
            return best;
        }

        if (weights.Length != logits.Length)
        {
            weights = new double[logits.Length];
        }

        double sum = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            weights[i] = Math.Exp((logits[i] - logits[best]) / (double)temperature);
            sum += weights[i];
        }

        double at = random.NextDouble() * sum;
        for (int i = 0; i < weights.Length; i++)
        {
            at -= weights[i];
            if (at < 0)
            {
                return i;
            }
        }

        return best;
    }
}
