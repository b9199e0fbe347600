using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// Finds the threshold t with #(score ≥ t) ≥ keep &gt; #(score ≥ t + 1) by counting scores from a level on: the guess first, then with the density
/// that the pilot's scores have, then by interpolating between the counts of the bracket. A pass takes blocks of 64 scores: 4 registers of scores, 4
/// counters of 16 bytes, emptied every 126 blocks. The last 1 to 64 scores stay in 4 registers, at the upper end, with -128 in front of them.
/// </summary>
internal static unsafe class TopKSelectAdvSimd
{
    private const int Block = 64;

    /// <summary>Blocks, besides the last one, until a counter is at -127.</summary>
    private const int BlocksPerFlush = 126;

    /// <summary>Passes that interpolate; more than that halve the bracket, so that no distribution takes more than 8 further ones.</summary>
    private const int Interpolations = 9;

    /// <summary>n scores spread over so many levels at the density that they have around the threshold.</summary>
    private const int LevelsAtDensity = 128;

    public static TopKSelectKernel Kernel => new(&Select, &Split);

    /// <summary>64 bytes to ignore, 64 to use: read from offset r it uses the last r of 64.</summary>
    private static ReadOnlySpan<byte> LastOf64 =>
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    ];

    public static void Select(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result)
    {
        if (n < Block)
        {
            SelectFew(scores, n, keep, guess, mask, result);
        }
        else
        {
            Select(scores, n, keep, guess, mask, result, scores + n - Block);
        }
    }

    [SkipLocalsInit]
    private static void SelectFew(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result)
    {
        sbyte* edge = stackalloc sbyte[Block];
        new ReadOnlySpan<sbyte>(scores, n).CopyTo(new Span<sbyte>(edge + Block - n, n));
        Select(scores, n, keep, guess, mask, result, edge);
    }

    /// <summary><paramref name="edge"/>: 64 scores, of which the last are those behind the last whole block, 1 to 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Select(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result, sbyte* edge)
    {
        nint blocks = (nint)((uint)(n - 1) / Block);
        int rest = n - ((int)blocks * Block);
        sbyte* end = scores + (blocks * Block);
        Vector128<sbyte> lowest = Vector128.Create(sbyte.MinValue);
        byte* used = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(LastOf64)) + rest;
        Vector128<sbyte> e0 = AdvSimd.BitwiseSelect(Vector128.Load(used).AsSByte(), Vector128.Load(edge), lowest);
        Vector128<sbyte> e1 = AdvSimd.BitwiseSelect(Vector128.Load(used + 16).AsSByte(), Vector128.Load(edge + 16), lowest);
        Vector128<sbyte> e2 = AdvSimd.BitwiseSelect(Vector128.Load(used + 32).AsSByte(), Vector128.Load(edge + 32), lowest);
        Vector128<sbyte> e3 = AdvSimd.BitwiseSelect(Vector128.Load(used + 48).AsSByte(), Vector128.Load(edge + 48), lowest);

        int low = -128;
        int high = 128;
        int atLow = n;
        int atHigh = 0;
        int level = Math.Clamp(guess, -127, 127);
        for (int pass = 1; ; pass++)
        {
            Vector128<sbyte> t = Vector128.Create((sbyte)level);
            int count = blocks <= BlocksPerFlush ? Count(scores, end, t, e0, e1, e2, e3) : CountMany(scores, end, t, e0, e1, e2, e3);
            if (count < keep)
            {
                high = level;
                atHigh = count;
            }
            else
            {
                low = level;
                atLow = count;
            }

            if (high - low == 1)
            {
                break;
            }

            level = Next(low, high, atLow, atHigh, keep, n, pass);
        }

        result->Threshold = low;
        result->Above = atHigh;
        result->Ties = atLow - atHigh;

        // The threshold, and the first of its ties that are not kept.
        Vector128<sbyte> threshold = Vector128.Create((sbyte)low);
        Vector128<byte> weights = Vector128.Create(0x8040201008040201).AsByte();
        int skip = atLow - keep;
        for (; skip > 0 && scores < end; scores += Block, mask++)
        {
            Vector128<sbyte> a = Vector128.Load(scores);
            Vector128<sbyte> b = Vector128.Load(scores + 16);
            Vector128<sbyte> c = Vector128.Load(scores + 32);
            Vector128<sbyte> d = Vector128.Load(scores + 48);
            *mask = WithoutFirst(From(a, b, c, d, threshold, weights), Equal(a, b, c, d, threshold, weights), ref skip);
        }

        for (; scores < end; scores += Block, mask++)
        {
            Vector128<sbyte> a = Vector128.Load(scores);
            Vector128<sbyte> b = Vector128.Load(scores + 16);
            Vector128<sbyte> c = Vector128.Load(scores + 32);
            Vector128<sbyte> d = Vector128.Load(scores + 48);
            *mask = From(a, b, c, d, threshold, weights);
        }

        int unused = Block - rest;
        ulong last = From(e0, e1, e2, e3, threshold, weights) >> unused;
        if (skip > 0)
        {
            last = WithoutFirst(last, Equal(e0, e1, e2, e3, threshold, weights) >> unused, ref skip);
        }

        *mask = last;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Split(ulong* mask0, ulong* mask1, int words, int* both, int* first, int* second, SplitCounts* counts)
    {
        int* b = both;
        int* f = first;
        int* s = second;
        int start = 0;

        // The uppermost bit; taken from an argument, or it would be built anew for every index.
        ulong top = 0x8000_0000_0000_0000 | ((ulong)(uint)words >> 32);
        for (ulong* end = mask0 + words; mask0 < end; mask0++, mask1++, start += 64)
        {
            ulong m0 = *mask0;
            ulong m1 = *mask1;
            for (ulong bits = ArmBase.Arm64.ReverseElementBits(m0 & m1); bits != 0;)
            {
                int zeros = BitOperations.LeadingZeroCount(bits);
                bits &= ~(top >> zeros);
                *b = start + zeros;
                b++;
            }

            for (ulong bits = ArmBase.Arm64.ReverseElementBits(m0 & ~m1); bits != 0;)
            {
                int zeros = BitOperations.LeadingZeroCount(bits);
                bits &= ~(top >> zeros);
                *f = start + zeros;
                f++;
            }

            for (ulong bits = ArmBase.Arm64.ReverseElementBits(m1 & ~m0); bits != 0;)
            {
                int zeros = BitOperations.LeadingZeroCount(bits);
                bits &= ~(top >> zeros);
                *s = start + zeros;
                s++;
            }
        }

        counts->Both = (int)(b - both);
        counts->First = (int)(f - first);
        counts->Second = (int)(s - second);
    }

    /// <summary>
    /// The next level to count from, inside (low, high), where #(≥ low) ≥ keep &gt; #(≥ high). While one end is still that of the range, the step
    /// is the missing count over the usual density.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Next(int low, int high, int atLow, int atHigh, int keep, int n, int pass)
    {
        if (pass > Interpolations)
        {
            return (low + high) >> 1;
        }

        if (high == 128)
        {
            return Math.Min(low + 1 + (int)((ulong)(uint)(atLow - keep) * LevelsAtDensity / (uint)n), high - 1);
        }

        if (low == -128)
        {
            return Math.Max(high - 1 - (int)((ulong)(uint)(keep - atHigh) * LevelsAtDensity / (uint)n), low + 1);
        }

        ulong above = ((ulong)(uint)(atLow - keep) * 2) + 1;
        return Math.Max(low + (int)(above * (uint)(high - low) / ((ulong)(uint)(atLow - atHigh) * 2)), low + 1);
    }

    /// <summary>#(score ≥ t) of up to <see cref="BlocksPerFlush"/> whole blocks and the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Count(
        sbyte* p, sbyte* end, Vector128<sbyte> t, Vector128<sbyte> e0, Vector128<sbyte> e1, Vector128<sbyte> e2, Vector128<sbyte> e3)
    {
        Vector128<sbyte> n0 = AdvSimd.CompareGreaterThanOrEqual(e0, t);
        Vector128<sbyte> n1 = AdvSimd.CompareGreaterThanOrEqual(e1, t);
        Vector128<sbyte> n2 = AdvSimd.CompareGreaterThanOrEqual(e2, t);
        Vector128<sbyte> n3 = AdvSimd.CompareGreaterThanOrEqual(e3, t);
        for (; p < end; p += Block)
        {
            Vector128<sbyte> a = Vector128.Load(p);
            Vector128<sbyte> b = Vector128.Load(p + 16);
            Vector128<sbyte> c = Vector128.Load(p + 32);
            Vector128<sbyte> d = Vector128.Load(p + 48);
            n0 += AdvSimd.CompareGreaterThanOrEqual(a, t);
            n1 += AdvSimd.CompareGreaterThanOrEqual(b, t);
            n2 += AdvSimd.CompareGreaterThanOrEqual(c, t);
            n3 += AdvSimd.CompareGreaterThanOrEqual(d, t);
        }

        Vector128<short> sums = AdvSimd.AddPairwiseWidening(n0);
        sums = AdvSimd.AddPairwiseWideningAndAdd(sums, n1);
        sums = AdvSimd.AddPairwiseWideningAndAdd(sums, n2);
        sums = AdvSimd.AddPairwiseWideningAndAdd(sums, n3);
        return -AdvSimd.Arm64.AddAcrossWidening(sums).ToScalar();
    }

    /// <summary>The same for any number of blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CountMany(
        sbyte* p, sbyte* end, Vector128<sbyte> t, Vector128<sbyte> e0, Vector128<sbyte> e1, Vector128<sbyte> e2, Vector128<sbyte> e3)
    {
        Vector128<sbyte> none = Vector128.Create(sbyte.MinValue);
        int total = 0;
        for (; end - p > BlocksPerFlush * Block; p += BlocksPerFlush * Block)
        {
            total += Count(p, p + (BlocksPerFlush * Block), t, none, none, none, none);
        }

        return total + Count(p, end, t, e0, e1, e2, e3);
    }

    /// <summary>The word without the first <paramref name="skip"/> of its ties.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong WithoutFirst(ulong word, ulong ties, ref int skip)
    {
        for (; skip > 0 && ties != 0; skip--)
        {
            word &= ~(ties & (0 - ties));
            ties &= ties - 1;
        }

        return word;
    }

    /// <summary>A bit per score from t on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong From(
        Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<sbyte> t, Vector128<byte> weights) => Bits(
        AdvSimd.CompareGreaterThanOrEqual(a, t), AdvSimd.CompareGreaterThanOrEqual(b, t), AdvSimd.CompareGreaterThanOrEqual(c, t),
        AdvSimd.CompareGreaterThanOrEqual(d, t), weights);

    /// <summary>A bit per score that equals t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Equal(
        Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<sbyte> t, Vector128<byte> weights) => Bits(
        AdvSimd.CompareEqual(a, t), AdvSimd.CompareEqual(b, t), AdvSimd.CompareEqual(c, t), AdvSimd.CompareEqual(d, t), weights);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<byte> weights)
    {
        Vector128<byte> ab = AdvSimd.Arm64.AddPairwise(a.AsByte() & weights, b.AsByte() & weights);
        Vector128<byte> cd = AdvSimd.Arm64.AddPairwise(c.AsByte() & weights, d.AsByte() & weights);
        Vector128<byte> all = AdvSimd.Arm64.AddPairwise(ab, cd);
        return AdvSimd.Arm64.AddPairwise(all, all).AsUInt64().ToScalar();
    }
}
