using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// Finds the threshold t with #(score ≥ t) ≥ keep &gt; #(score &gt; t) by counting both in one pass, from the guess on: first with the density that the pilot's
/// scores have, then by interpolating between the counts below and above. Blocks of 64 scores give one word of the mask; the last block is
/// copied and filled up with -128. Registers of a count: 4 of scores, the threshold, 4 counters of 16 bytes, emptied every 126 blocks.
/// </summary>
internal static unsafe class TopKSelectAdvSimd
{
    private const int Block = 64;

    /// <summary>Blocks, besides the last one, until a byte counter, which counts two vectors per block, is full.</summary>
    private const int BlocksPerFlush = 126;

    /// <summary>Passes that interpolate; more than that halve the bracket, so that no distribution takes more than 8 further ones.</summary>
    private const int Interpolations = 6;

    public static TopKSelectKernel Kernel => new(&Select, &Split);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Select(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result)
    {
        sbyte* rest = stackalloc sbyte[Block];
        int blocks = n / Block;
        int padding = 0;
        if (n % Block != 0)
        {
            padding = Block - (n % Block);
            CopyRest(scores, n, rest);
        }

        int low = -128;
        int high = 128;
        int atLow = n;
        int atHigh = 0;
        int threshold = Math.Clamp(guess, -128, 127);
        int above;
        int from;
        for (int pass = 1; ; pass++)
        {
            ulong counts = Count(scores, blocks, padding == 0 ? null : rest, threshold);
            from = (int)(counts >> 32) - (threshold == -128 ? padding : 0);
            above = (int)counts;
            if (from < keep)
            {
                high = threshold;
                atHigh = from;
            }
            else if (above >= keep)
            {
                low = threshold + 1;
                atLow = above;
            }
            else
            {
                break;
            }

            threshold = Next(low, high, atLow, atHigh, keep, n, pass);
        }

        result->Threshold = threshold;
        result->Above = above;
        result->Ties = from - above;
        Mark(scores, blocks, rest, n, threshold, from - keep, mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Split(ulong* mask0, ulong* mask1, int words, int* both, int* first, int* second, SplitCounts* counts)
    {
        int* bothEnd = both;
        int* firstEnd = first;
        int* secondEnd = second;
        for (int w = 0; w < words; w++)
        {
            ulong m0 = mask0[w];
            ulong m1 = mask1[w];
            bothEnd = Append(m0 & m1, w * 64, bothEnd);
            firstEnd = Append(m0 & ~m1, w * 64, firstEnd);
            secondEnd = Append(m1 & ~m0, w * 64, secondEnd);
        }

        counts->Both = (int)(bothEnd - both);
        counts->First = (int)(firstEnd - first);
        counts->Second = (int)(secondEnd - second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* Append(ulong bits, int start, int* list)
    {
        bits = ReverseBits(bits);
        while (bits != 0)
        {
            int zeros = BitOperations.LeadingZeroCount(bits);
            bits &= ~(0x8000_0000_0000_0000 >> zeros);
            *list++ = start + zeros;
        }

        return list;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong ReverseBits(ulong bits) => ArmBase.Arm64.ReverseElementBits(bits);

    /// <summary>
    /// The next threshold inside [low, high), where #(≥ low) ≥ keep &gt; #(≥ high). While one end is still that of the range, the step is
    /// the missing count over a density of n / 128 scores per level.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Next(int low, int high, int atLow, int atHigh, int keep, int n, int pass)
    {
        int next;
        if (pass > Interpolations)
        {
            next = (low + high) >> 1;
        }
        else if (high == 128)
        {
            next = low + (int)(((long)(atLow - keep) * 128) / n);
        }
        else if (low == -128)
        {
            next = high - 1 - (int)(((long)(keep - atHigh) * 128) / n);
        }
        else
        {
            next = high - 1 - (int)((long)(keep - 1 - atHigh) * (high - low) / (atLow - atHigh));
        }

        return Math.Clamp(next, low, high - 1);
    }

    /// <summary>#(score ≥ threshold) in the upper half, #(score &gt; threshold) in the lower.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Count(sbyte* scores, int blocks, sbyte* rest, int threshold)
    {
        Vector128<sbyte> t = Vector128.Create((sbyte)threshold);
        ulong total = 0;
        sbyte* p = scores;
        sbyte* last = scores + ((nint)blocks * Block);
        while (true)
        {
            sbyte* end = last - p > BlocksPerFlush * Block ? p + (BlocksPerFlush * Block) : last;
            Vector128<sbyte> from0 = Vector128<sbyte>.Zero;
            Vector128<sbyte> from1 = Vector128<sbyte>.Zero;
            Vector128<sbyte> above0 = Vector128<sbyte>.Zero;
            Vector128<sbyte> above1 = Vector128<sbyte>.Zero;
            for (; p < end; p += Block)
            {
                Vector128<sbyte> a = Vector128.Load(p);
                Vector128<sbyte> b = Vector128.Load(p + 16);
                Vector128<sbyte> c = Vector128.Load(p + 32);
                Vector128<sbyte> d = Vector128.Load(p + 48);
                from0 -= AdvSimd.CompareGreaterThanOrEqual(a, t);
                from1 -= AdvSimd.CompareGreaterThanOrEqual(b, t);
                above0 -= AdvSimd.CompareGreaterThan(a, t);
                above1 -= AdvSimd.CompareGreaterThan(b, t);
                from0 -= AdvSimd.CompareGreaterThanOrEqual(c, t);
                from1 -= AdvSimd.CompareGreaterThanOrEqual(d, t);
                above0 -= AdvSimd.CompareGreaterThan(c, t);
                above1 -= AdvSimd.CompareGreaterThan(d, t);
            }

            if (p == last && rest is not null)
            {
                Vector128<sbyte> a = Vector128.Load(rest);
                Vector128<sbyte> b = Vector128.Load(rest + 16);
                Vector128<sbyte> c = Vector128.Load(rest + 32);
                Vector128<sbyte> d = Vector128.Load(rest + 48);
                from0 -= AdvSimd.CompareGreaterThanOrEqual(a, t);
                from1 -= AdvSimd.CompareGreaterThanOrEqual(b, t);
                above0 -= AdvSimd.CompareGreaterThan(a, t);
                above1 -= AdvSimd.CompareGreaterThan(b, t);
                from0 -= AdvSimd.CompareGreaterThanOrEqual(c, t);
                from1 -= AdvSimd.CompareGreaterThanOrEqual(d, t);
                above0 -= AdvSimd.CompareGreaterThan(c, t);
                above1 -= AdvSimd.CompareGreaterThan(d, t);
            }

            total += Sums(from0, from1, above0, above1);
            if (p == last)
            {
                return total;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Sums(Vector128<sbyte> from0, Vector128<sbyte> from1, Vector128<sbyte> above0, Vector128<sbyte> above1)
    {
        Vector128<ushort> from = AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(from0.AsByte()), from1.AsByte());
        Vector128<ushort> above = AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(above0.AsByte()), above1.AsByte());
        Vector128<uint> pairs = AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(above, from));
        pairs = AdvSimd.Arm64.AddPairwise(pairs, pairs);
        return pairs.AsUInt64().ToScalar();
    }

    /// <summary>The last n % 64 scores, filled up with -128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRest(sbyte* scores, int n, sbyte* rest)
    {
        Vector128<sbyte> lowest = Vector128.Create(sbyte.MinValue);
        lowest.Store(rest);
        lowest.Store(rest + 16);
        lowest.Store(rest + 32);
        lowest.Store(rest + 48);
        int left = n % Block;
        sbyte* source = scores + (n - left);
        int whole = left & ~15;
        for (int i = 0; i < whole; i += 16)
        {
            Vector128.Load(source + i).Store(rest + i);
        }

        if (n >= 16)
        {
            Vector128<byte> lanes = AdvSimd.Add(Vector128<byte>.Indices, Vector128.Create((byte)(16 - (left & 15))));
            Vector128<sbyte> moved = AdvSimd.Arm64.VectorTableLookupExtension(
                lowest, Vector128.Load(scores + (n - 16)), lanes.AsSByte());
            moved.Store(rest + whole);
            return;
        }

        for (int i = 0; i < left; i++)
        {
            rest[i] = source[i];
        }
    }

    /// <summary>Writes the mask of all scores from the threshold on but the first <paramref name="skip"/> that equal it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mark(sbyte* scores, int blocks, sbyte* rest, int n, int threshold, int skip, ulong* mask)
    {
        Vector128<sbyte> t = Vector128.Create((sbyte)threshold);
        Vector128<byte> weights = Vector128.Create(0x8040201008040201).AsByte();
        int words = (n + Block - 1) / Block;
        int w = 0;
        for (; skip > 0; w++)
        {
            sbyte* p = w < blocks ? scores + ((nint)w * Block) : rest;
            Vector128<sbyte> a = Vector128.Load(p);
            Vector128<sbyte> b = Vector128.Load(p + 16);
            Vector128<sbyte> c = Vector128.Load(p + 32);
            Vector128<sbyte> d = Vector128.Load(p + 48);
            ulong above = Bits(
                AdvSimd.CompareGreaterThan(a, t), AdvSimd.CompareGreaterThan(b, t), AdvSimd.CompareGreaterThan(c, t),
                AdvSimd.CompareGreaterThan(d, t), weights);
            ulong ties = Bits(
                AdvSimd.CompareEqual(a, t), AdvSimd.CompareEqual(b, t), AdvSimd.CompareEqual(c, t), AdvSimd.CompareEqual(d, t), weights);
            for (; skip > 0 && ties != 0; skip--)
            {
                ties &= ties - 1;
            }

            mask[w] = above | ties;
        }

        for (; w < blocks; w++)
        {
            sbyte* p = scores + ((nint)w * Block);
            Vector128<sbyte> a = Vector128.Load(p);
            Vector128<sbyte> b = Vector128.Load(p + 16);
            Vector128<sbyte> c = Vector128.Load(p + 32);
            Vector128<sbyte> d = Vector128.Load(p + 48);
            mask[w] = Bits(
                AdvSimd.CompareGreaterThanOrEqual(a, t), AdvSimd.CompareGreaterThanOrEqual(b, t), AdvSimd.CompareGreaterThanOrEqual(c, t),
                AdvSimd.CompareGreaterThanOrEqual(d, t), weights);
        }

        if (w < words)
        {
            Vector128<sbyte> a = Vector128.Load(rest);
            Vector128<sbyte> b = Vector128.Load(rest + 16);
            Vector128<sbyte> c = Vector128.Load(rest + 32);
            Vector128<sbyte> d = Vector128.Load(rest + 48);
            mask[w] = Bits(
                AdvSimd.CompareGreaterThanOrEqual(a, t), AdvSimd.CompareGreaterThanOrEqual(b, t), AdvSimd.CompareGreaterThanOrEqual(c, t),
                AdvSimd.CompareGreaterThanOrEqual(d, t), weights);
        }

        if (n % Block != 0)
        {
            mask[words - 1] &= ulong.MaxValue >> (Block - (n % Block));
        }
    }

    /// <summary>A bit per byte of four comparisons.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, Vector128<byte> weights)
    {
        Vector128<byte> ab = AdvSimd.Arm64.AddPairwise(a.AsByte() & weights, b.AsByte() & weights);
        Vector128<byte> cd = AdvSimd.Arm64.AddPairwise(c.AsByte() & weights, d.AsByte() & weights);
        Vector128<byte> all = AdvSimd.Arm64.AddPairwise(ab, cd);
        return AdvSimd.Arm64.AddPairwise(all, all).AsUInt64().ToScalar();
    }
}
