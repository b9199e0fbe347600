using System.Numerics;

namespace ShadowAttn.Attention;

/// <summary>
/// Where the first-order tail's matrix C is refreshed: every 64 keys up to 8,192 and half as often per doubling after that, so that its relative
/// age and the memory for it stay bounded. A row that sees n keys uses the C of the first Position(n) of them.
/// </summary>
internal static class TailBlocks
{
    /// <summary>Keys between two refreshes of short rows.</summary>
    public const int Block = 64;

    private const int LogBlock = 6;
    private const int LogFirst = 12;

    /// <summary>The keys that C is of, for a row that sees <paramref name="visible"/> keys: a multiple of the refresh interval.</summary>
    public static int Position(int visible) => visible >> LogInterval(visible) << LogInterval(visible);

    /// <summary>The position's number, counted from 0 at position 0.</summary>
    public static int Index(int position)
    {
        int octave = Octave(position);
        return octave == 0
            ? position >> LogBlock
            : ((octave + 1) << LogBlock) + ((position - (1 << (LogFirst + octave))) >> (LogBlock + octave));
    }

    /// <summary>The position with a number.</summary>
    public static int PositionOf(int index)
    {
        int octave = Math.Max((index >> LogBlock) - 1, 0);
        return octave == 0 ? index << LogBlock : (1 << (LogFirst + octave)) + ((index - ((octave + 1) << LogBlock)) << (LogBlock + octave));
    }

    private static int LogInterval(int visible) => LogBlock + Octave(visible);

    private static int Octave(int visible) => Math.Max(BitOperations.Log2((uint)visible) - LogFirst, 0);
}
