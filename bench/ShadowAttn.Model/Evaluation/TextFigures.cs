using ShadowAttn.Memory;
using ShadowAttn.Model.Llama;

namespace ShadowAttn.Model.Evaluation;

/// <summary>How well a model predicts a text, and how far it is from the same model with exact attention.</summary>
public sealed unsafe class TextFigures
{
    private const int Rows = 64;

    private TextFigures(int tokens)
    {
        Nll = new float[tokens - 1];
        Top1 = new int[tokens];
    }

    /// <summary>Negative log-likelihood of tokens 1, 2, … in nats.</summary>
    public float[] Nll { get; }

    /// <summary>The most likely token after each token.</summary>
    public int[] Top1 { get; }

    /// <summary>Mean of <see cref="Nll"/>.</summary>
    public double MeanNll { get; private set; }

    /// <summary>e^<see cref="MeanNll"/>.</summary>
    public double Perplexity => Math.Exp(MeanNll);

    /// <summary>Share of the tokens after which both models find the same token most likely.</summary>
    public double Top1Agreement { get; private set; }

    /// <summary>Mean over the tokens of KL(exact ‖ this) of the next token's distribution, in nats.</summary>
    public double KlToExact { get; private set; }

    /// <summary>Computes the figures.</summary>
    /// <param name="model">The model.</param>
    /// <param name="pass">The text, at least two tokens.</param>
    /// <param name="exact">The same text with exact attention; may be <paramref name="pass"/> itself.</param>
    /// <exception cref="ArgumentException">The passes are not of the same text, or have fewer than two tokens.</exception>
    public static TextFigures Of(LanguageModel model, TextPass pass, TextPass exact)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(pass);
        ArgumentNullException.ThrowIfNull(exact);
        int tokens = pass.Tokens.Length;
        if (tokens < 2 || !pass.Tokens.AsSpan().SequenceEqual(exact.Tokens))
        {
            throw new ArgumentException("both passes must be of the same text of at least two tokens", nameof(exact));
        }

        int vocabulary = model.Tokenizer.Count;
        var figures = new TextFigures(tokens);
        bool same = ReferenceEquals(pass, exact);
        using UnmanagedBuffer logits = UnmanagedBuffer.Allocate((long)Rows * vocabulary * sizeof(float));
        using UnmanagedBuffer exactLogits = UnmanagedBuffer.Allocate(same ? sizeof(float) : (long)Rows * vocabulary * sizeof(float));
        var divergence = new double[tokens];
        var agrees = new bool[tokens];
        for (int first = 0; first < tokens; first += Rows)
        {
            int count = Math.Min(Rows, tokens - first);
            model.Logits(pass.Hidden.Slice(0, first, count), logits.View<float>(count, vocabulary));
            if (!same)
            {
                model.Logits(exact.Hidden.Slice(0, first, count), exactLogits.View<float>(count, vocabulary));
            }

            float* rows = (float*)logits.Pointer;
            float* exactRows = same ? rows : (float*)exactLogits.Pointer;
            int start = first;
            model.ForRows(count, row =>
            {
                int token = start + row;
                var x = new ReadOnlySpan<float>(rows + ((nint)row * vocabulary), vocabulary);
                var e = new ReadOnlySpan<float>(exactRows + ((nint)row * vocabulary), vocabulary);
                double logSum = LogSum(x);
                figures.Top1[token] = Largest(x);
                agrees[token] = same || Largest(e) == figures.Top1[token];
                divergence[token] = same ? 0 : Divergence(e, LogSum(e), x, logSum);
                if (token + 1 < tokens)
                {
                    figures.Nll[token] = (float)(logSum - x[pass.Tokens[token + 1]]);
                }
            });
        }

        figures.MeanNll = figures.Nll.Average(n => (double)n);
        figures.Top1Agreement = agrees.Count(a => a) / (double)tokens;
        figures.KlToExact = divergence.Average();
        return figures;
    }

    /// <summary>The first of the largest.</summary>
    private static int Largest(ReadOnlySpan<float> x)
    {
        int best = 0;
        for (int i = 1; i < x.Length; i++)
        {
            best = x[i] > x[best] ? i : best;
        }

        return best;
    }

    /// <summary>ln Σ e^x.</summary>
    private static double LogSum(ReadOnlySpan<float> x)
    {
        double top = x[Largest(x)];
        double sum = 0;
        foreach (float value in x)
        {
            sum += Math.Exp(value - top);
        }

        return top + Math.Log(sum);
    }

    /// <summary>Σ p·(ln p - ln q), p from the exact logits.</summary>
    private static double Divergence(ReadOnlySpan<float> exact, double exactSum, ReadOnlySpan<float> x, double sum)
    {
        double total = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double logP = exact[i] - exactSum;
            total += Math.Exp(logP) * (logP - (x[i] - sum));
        }

        return total;
    }
}
