namespace ShadowAttn.Model.Tokens;

/// <summary>
/// The letters that byte-level vocabularies write bytes with: printable Latin-1 characters stand for themselves, the other 68 bytes are
/// U+0100 and up, in order (Radford et al., GPT-2).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_letters = Letters();
    private static readonly Dictionary<char, byte> s_bytes = Enumerable.Range(0, 256).ToDictionary(b => s_letters[b], b => (byte)b);

    /// <summary>The letter of a byte.</summary>
    public static char Letter(byte value) => s_letters[value];

    /// <summary>The byte of a letter.</summary>
    public static bool TryByte(char letter, out byte value) => s_bytes.TryGetValue(letter, out value);

    private static char[] Letters()
    {
        var letters = new char[256];
        int others = 0;
        for (int b = 0; b < letters.Length; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            letters[b] = printable ? (char)b : (char)(0x100 + others++);
        }

        return letters;
    }
}
