using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace ShadowAttn.Model.Tokens;

/// <summary>
/// Splits text into the pieces that merges stay within: each regular expression splits what the ones before it left; what it does not match
/// stays a piece. Letters outside the basic plane count as symbols, as the regular expressions work on UTF-16.
/// </summary>
internal sealed class SplitPattern : PreTokenizer
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen2 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // The names that converters write into tokenizer.ggml.pre.
    private static readonly (string Name, string[] Expressions)[] s_patterns =
    [
        ("smollm", [@"\p{N}", Gpt2]),
        ("gpt-2", [Gpt2]),
        ("llama-bpe", [Llama3]),
        ("llama3", [Llama3]),
        ("qwen2", [Qwen2]),
        ("starcoder", [@"\p{N}", Gpt2]),
        ("refact", [@"\p{N}", Gpt2]),
        ("command-r", [@"\p{N}", Gpt2]),
    ];

    private readonly Regex[] expressions;

    private SplitPattern(string[] expressions) =>
        this.expressions = [.. expressions.Select(e => new Regex(e, RegexOptions.CultureInvariant))];

    /// <summary>The names of the patterns there are.</summary>
    public static string Names => string.Join(", ", s_patterns.Select(p => p.Name));

    /// <summary>The pattern of a name, or null.</summary>
    public static SplitPattern? Find(string name)
    {
        int index = Array.FindIndex(s_patterns, p => p.Name == name);
        return index < 0 ? null : new SplitPattern(s_patterns[index].Expressions);
    }

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => Split(text);

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => Split(text);

    private List<(int Offset, int Length)> Split(ReadOnlySpan<char> text)
    {
        List<(int Offset, int Length)> pieces = [(0, text.Length)];
        foreach (Regex expression in expressions)
        {
            List<(int Offset, int Length)> finer = [];
            foreach ((int offset, int length) in pieces)
            {
                int end = 0;
                ReadOnlySpan<char> piece = text.Slice(offset, length);
                foreach (ValueMatch match in expression.EnumerateMatches(piece))
                {
                    if (match.Index > end)
                    {
                        finer.Add((offset + end, match.Index - end));
                    }

                    finer.Add((offset + match.Index, match.Length));
                    end = match.Index + match.Length;
                }

                if (length > end)
                {
                    finer.Add((offset + end, length - end));
                }
            }

            pieces = finer;
        }

        return pieces;
    }
}
