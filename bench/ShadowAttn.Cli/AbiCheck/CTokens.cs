namespace ShadowAttn.Cli.AbiCheck;

/// <summary>Cuts preprocessed C into words, numbers, texts and single punctuation marks.</summary>
internal static class CTokens
{
    public static List<string> Read(string text)
    {
        var tokens = new List<string>();
        int i = 0;
        while (i < text.Length)
        {
            char c = text[i];
            int start = i++;
            if (char.IsWhiteSpace(c))
            {
                continue;
            }

            if (IsWord(c))
            {
                while (i < text.Length && IsWord(text[i]))
                {
                    i++;
                }
            }
            else if (c is '"' or '\'')
            {
                while (i < text.Length && text[i] != c)
                {
                    i += text[i] == '\\' ? 2 : 1;
                }

                i = Math.Min(i + 1, text.Length);
            }
            else if (c == '#')
            {
                i = text.IndexOf('\n', i) is int end and >= 0 ? end : text.Length;
                continue;
            }

            tokens.Add(text[start..i]);
        }

        return tokens;
    }

    /// <summary>Whether a token is a name or keyword.</summary>
    public static bool IsName(string token) => IsWord(token[0]) && !char.IsAsciiDigit(token[0]);

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$';
}
