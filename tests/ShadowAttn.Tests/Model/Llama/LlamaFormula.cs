namespace ShadowAttn.Tests.Model.Llama;

/// <summary>The forward pass of <see cref="TinyModel"/> in double precision, token by token, as the formulas have it.</summary>
internal sealed class LlamaFormula(Dictionary<string, float[]> weights, bool halves, Func<int, double> frequency, double temperature = 1)
{
    private const double Epsilon = 1e-5f;

    /// <summary>The logits after the last token.</summary>
    public double[] Logits(int[] tokens, int vocabulary)
    {
        double[][] x = [.. tokens.Select(t => weights["token_embd.weight"].Skip(t * TinyModel.Width).Take(TinyModel.Width).Select(w => (double)w).ToArray())];
        for (int i = 0; i < TinyModel.Layers; i++)
        {
            string p = $"blk.{i}.";
            double[][] h = [.. x.Select(row => Norm(row, p + "attn_norm.weight"))];
            double[][] q = [.. h.Select((row, t) => Turn(Project(row, p + "attn_q"), t))];
            double[][] k = [.. h.Select((row, t) => Turn(Project(row, p + "attn_k"), t))];
            double[][] v = [.. h.Select(row => Project(row, p + "attn_v"))];
            for (int t = 0; t < x.Length; t++)
            {
                x[t] = Sum(x[t], Project(Attend(q[t], k[..(t + 1)], v), p + "attn_output"));
                double[] n = Norm(x[t], p + "ffn_norm.weight");
                double[] gate = Project(n, p + "ffn_gate");
                double[] up = Project(n, p + "ffn_up");
                x[t] = Sum(x[t], Project([.. gate.Select((g, j) => g / (1 + Math.Exp(-g)) * up[j])], p + "ffn_down"));
            }
        }

        double[] logits = Project(Norm(x[^1], "output_norm.weight"), weights.ContainsKey("output.weight") ? "output" : "token_embd");
        return logits.Length == vocabulary ? logits : throw new InvalidOperationException($"{logits.Length} logits");
    }

    private double[] Norm(double[] x, string name) =>
        [.. x.Select((value, i) => value / Math.Sqrt(x.Average(y => y * y) + Epsilon) * weights[name][i])];

    private double[] Project(double[] x, string name)
    {
        float[] w = weights[name + ".weight"];
        double[] y = [.. Enumerable.Range(0, w.Length / x.Length).Select(r => x.Select((value, i) => value * w[(r * x.Length) + i]).Sum())];
        return weights.TryGetValue(name + ".bias", out float[]? bias) ? [.. y.Select((value, i) => value + bias[i])] : y;
    }

    private double[] Turn(double[] x, int position)
    {
        double[] y = [.. x];
        for (int head = 0; head < x.Length; head += TinyModel.HeadDim)
        {
            for (int i = 0; i < TinyModel.HeadDim / 2; i++)
            {
                int a = head + (halves ? i : 2 * i);
                int b = halves ? a + (TinyModel.HeadDim / 2) : a + 1;
                double angle = position * frequency(i);
                y[a] = temperature * ((x[a] * Math.Cos(angle)) - (x[b] * Math.Sin(angle)));
                y[b] = temperature * ((x[a] * Math.Sin(angle)) + (x[b] * Math.Cos(angle)));
            }
        }

        return y;
    }

    private static double[] Attend(double[] q, double[][] k, double[][] v)
    {
        const int Dim = TinyModel.HeadDim;
        var o = new double[q.Length];
        for (int head = 0; head < TinyModel.Heads; head++)
        {
            int kv = head * TinyModel.KvHeads / TinyModel.Heads * Dim;
            double[] p = [.. k.Select(row => Math.Exp(Enumerable.Range(0, Dim).Sum(d => q[(head * Dim) + d] * row[kv + d]) / Math.Sqrt(Dim)))];
            for (int d = 0; d < Dim; d++)
            {
                o[(head * Dim) + d] = p.Select((weight, i) => weight * v[i][kv + d]).Sum() / p.Sum();
            }
        }

        return o;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Select((value, i) => value + b[i])];
}
