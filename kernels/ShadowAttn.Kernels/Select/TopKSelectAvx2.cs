using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Select: as <see cref="TopKSelectAvx512"/>, 32 scores per register; a comparison's -1 is subtracted from 8-bit counters that are widened before
/// they can pass 255. Split: each byte of a word looks up its bit positions, widened and stored 8 entries at a time.
/// </summary>
internal static unsafe class TopKSelectAvx2
{
    private const int VectorsPerFlush = 254;

    /// <summary>For each byte the positions of its set bits, ascending, in 8 bytes.</summary>
    private static readonly ulong* s_positions = BuildPositions();

    public static TopKSelectKernel Kernel => new(&Select, &Split);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Select(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result)
    {
        ThresholdSearch search = new(n, keep, guess);
        while (search.Next(out int lower, out int upper))
        {
            ulong counts = CountAbove(scores, n, (sbyte)lower, (sbyte)upper);
            search.Narrow((int)(uint)counts, (int)(counts >> 32));
        }

        Emit(scores, n, (sbyte)search.Threshold, search.Ties - (keep - search.Above), mask);
        result->Threshold = search.Threshold;
        result->Above = search.Above;
        result->Ties = search.Ties;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Split(ulong* mask0, ulong* mask1, int words, int* both, int* first, int* second, SplitCounts* counts)
    {
        ulong* positions = s_positions;
        int* bothEnd = both;
        int* firstEnd = first;
        int* secondEnd = second;
        for (int w = 0; w < words; w++)
        {
            ulong bits0 = mask0[w];
            ulong bits1 = mask1[w];
            bothEnd = Append(bothEnd, bits0 & bits1, w * 64, positions);
            firstEnd = Append(firstEnd, bits0 & ~bits1, w * 64, positions);
            secondEnd = Append(secondEnd, bits1 & ~bits0, w * 64, positions);
        }

        counts->Both = (int)(bothEnd - both);
        counts->First = (int)(firstEnd - first);
        counts->Second = (int)(secondEnd - second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* Append(int* end, ulong bits, int start, ulong* positions)
    {
        for (; bits != 0; bits >>= 8, start += 8)
        {
            uint low = (byte)bits;
            (Avx2.ConvertToVector256Int32((byte*)(positions + low)) + Vector256.Create(start)).Store(end);
            end += BitOperations.PopCount(low);
        }

        return end;
    }

    /// <summary>The number of scores above <paramref name="lower"/> in the low half, above <paramref name="upper"/> in the high half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong CountAbove(sbyte* scores, int n, sbyte lower, sbyte upper)
    {
        Vector256<sbyte> low = Vector256.Create(lower);
        Vector256<sbyte> high = Vector256.Create(upper);
        Vector256<ulong> sumLow = Vector256<ulong>.Zero;
        Vector256<ulong> sumHigh = Vector256<ulong>.Zero;
        sbyte* end = scores + (n & ~31);
        while (scores < end)
        {
            sbyte* stop = (end - scores) > VectorsPerFlush * 32 ? scores + (VectorsPerFlush * 32) : end;
            Vector256<sbyte> low0 = Vector256<sbyte>.Zero;
            Vector256<sbyte> low1 = Vector256<sbyte>.Zero;
            Vector256<sbyte> high0 = Vector256<sbyte>.Zero;
            Vector256<sbyte> high1 = Vector256<sbyte>.Zero;
            for (; scores + 64 <= stop; scores += 64)
            {
                Vector256<sbyte> v0 = Vector256.Load(scores);
                Vector256<sbyte> v1 = Vector256.Load(scores + 32);
                low0 -= Avx2.CompareGreaterThan(v0, low);
                high0 -= Avx2.CompareGreaterThan(v0, high);
                low1 -= Avx2.CompareGreaterThan(v1, low);
                high1 -= Avx2.CompareGreaterThan(v1, high);
            }

            if (scores < stop)
            {
                Vector256<sbyte> v0 = Vector256.Load(scores);
                low0 -= Avx2.CompareGreaterThan(v0, low);
                high0 -= Avx2.CompareGreaterThan(v0, high);
                scores += 32;
            }

            sumLow += Avx2.SumAbsoluteDifferences(low0.AsByte(), Vector256<byte>.Zero).AsUInt64()
                + Avx2.SumAbsoluteDifferences(low1.AsByte(), Vector256<byte>.Zero).AsUInt64();
            sumHigh += Avx2.SumAbsoluteDifferences(high0.AsByte(), Vector256<byte>.Zero).AsUInt64()
                + Avx2.SumAbsoluteDifferences(high1.AsByte(), Vector256<byte>.Zero).AsUInt64();
        }

        ulong countLow = Vector256.Sum(sumLow);
        ulong countHigh = Vector256.Sum(sumHigh);
        for (int i = 0; i < (n & 31); i++)
        {
            countLow += scores[i] > lower ? 1UL : 0;
            countHigh += scores[i] > upper ? 1UL : 0;
        }

        return countLow | (countHigh << 32);
    }

    /// <summary>Sets the bits of the scores at or above <paramref name="threshold"/>, without the first <paramref name="skip"/> that equal it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Emit(sbyte* scores, int n, sbyte threshold, int skip, ulong* mask)
    {
        Vector256<sbyte> level = Vector256.Create(threshold);
        int words = n / 64;
        int w = 0;
        for (; w < words && skip > 0; w++)
        {
            Vector256<sbyte> v0 = Vector256.Load(scores + (w * 64));
            Vector256<sbyte> v1 = Vector256.Load(scores + (w * 64) + 32);
            ulong ties = Bits(Avx2.CompareEqual(v0, level), Avx2.CompareEqual(v1, level));
            ulong below = Bits(Avx2.CompareGreaterThan(level, v0), Avx2.CompareGreaterThan(level, v1));
            mask[w] = ~(below | FirstBits(ties, skip));
            skip -= BitOperations.PopCount(ties);
        }

        for (; w < words; w++)
        {
            Vector256<sbyte> v0 = Vector256.Load(scores + (w * 64));
            Vector256<sbyte> v1 = Vector256.Load(scores + (w * 64) + 32);
            mask[w] = ~Bits(Avx2.CompareGreaterThan(level, v0), Avx2.CompareGreaterThan(level, v1));
        }

        int rest = n & 63;
        if (rest != 0)
        {
            ulong kept = 0;
            for (int i = 0; i < rest; i++)
            {
                sbyte score = scores[(w * 64) + i];
                if (score > threshold || (score == threshold && --skip < 0))
                {
                    kept |= 1UL << i;
                }
            }

            mask[w] = kept;
        }
    }

    /// <summary>The lowest <paramref name="count"/> set bits of <paramref name="bits"/>, or all when there are not so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong FirstBits(ulong bits, int count) =>
        count >= 64 ? bits : Bmi2.X64.ParallelBitDeposit((1UL << count) - 1, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits(Vector256<sbyte> first, Vector256<sbyte> second) =>
        (uint)Avx2.MoveMask(first) | ((ulong)(uint)Avx2.MoveMask(second) << 32);

    private static ulong* BuildPositions()
    {
        ulong* positions = (ulong*)NativeMemory.Alloc(256, sizeof(ulong));
        for (int bits = 0; bits < 256; bits++)
        {
            ulong packed = 0;
            int count = 0;
            for (int bit = 0; bit < 8; bit++)
            {
                if ((bits >> bit & 1) != 0)
                {
                    packed |= (ulong)bit << (8 * count++);
                }
            }

            positions[bits] = packed;
        }

        return positions;
    }
}
