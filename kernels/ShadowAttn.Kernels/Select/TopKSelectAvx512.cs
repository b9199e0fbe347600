using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Select: the threshold t is the level with count(score &gt; t) &lt; keep ≤ count(score &gt; t - 1), found by counting passes that narrow a bracket
/// (<see cref="ThresholdSearch"/>); then one pass writes 64 mask bits per compare and leaves out the first ties.
/// Counting: 64 scores per register, two thresholds, a masked 8-bit increment each, widened before a counter can pass 255.
/// Split: per word and list, the 64 bit positions are compressed as bytes and widened, 16 entries per store.
/// </summary>
internal static unsafe class TopKSelectAvx512
{
    private const int VectorsPerFlush = 254;

    public static TopKSelectKernel Kernel => new(&Select, Avx512Vbmi2.IsSupported ? &Split : &TopKSelectAvx2.Split);

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
        byte* positions = stackalloc byte[64];
        int* bothEnd = both;
        int* firstEnd = first;
        int* secondEnd = second;
        for (int w = 0; w < words; w++)
        {
            ulong bits0 = mask0[w];
            ulong bits1 = mask1[w];
            Vector512<int> start = Vector512.Create(w * 64);
            bothEnd = Append(bothEnd, bits0 & bits1, start, positions);
            firstEnd = Append(firstEnd, bits0 & ~bits1, start, positions);
            secondEnd = Append(secondEnd, bits1 & ~bits0, start, positions);
        }

        counts->Both = (int)(bothEnd - both);
        counts->First = (int)(firstEnd - first);
        counts->Second = (int)(secondEnd - second);
    }

    /// <summary>The number of scores above <paramref name="lower"/> in the low half, above <paramref name="upper"/> in the high half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong CountAbove(sbyte* scores, int n, sbyte lower, sbyte upper)
    {
        Vector512<sbyte> low = Vector512.Create(lower);
        Vector512<sbyte> high = Vector512.Create(upper);
        Vector512<byte> one = Vector512.Create((byte)1);
        Vector512<ulong> sumLow = Vector512<ulong>.Zero;
        Vector512<ulong> sumHigh = Vector512<ulong>.Zero;
        sbyte* end = scores + (n & ~63);
        while (scores < end)
        {
            sbyte* stop = (end - scores) > VectorsPerFlush * 64 ? scores + (VectorsPerFlush * 64) : end;
            Vector512<byte> low0 = Vector512<byte>.Zero;
            Vector512<byte> low1 = Vector512<byte>.Zero;
            Vector512<byte> high0 = Vector512<byte>.Zero;
            Vector512<byte> high1 = Vector512<byte>.Zero;
            for (; scores + 128 <= stop; scores += 128)
            {
                Vector512<sbyte> v0 = Vector512.Load(scores);
                Vector512<sbyte> v1 = Vector512.Load(scores + 64);
                low0 = Vector512.ConditionalSelect(Vector512.GreaterThan(v0, low).AsByte(), low0 + one, low0);
                high0 = Vector512.ConditionalSelect(Vector512.GreaterThan(v0, high).AsByte(), high0 + one, high0);
                low1 = Vector512.ConditionalSelect(Vector512.GreaterThan(v1, low).AsByte(), low1 + one, low1);
                high1 = Vector512.ConditionalSelect(Vector512.GreaterThan(v1, high).AsByte(), high1 + one, high1);
            }

            if (scores < stop)
            {
                Vector512<sbyte> v0 = Vector512.Load(scores);
                low0 = Vector512.ConditionalSelect(Vector512.GreaterThan(v0, low).AsByte(), low0 + one, low0);
                high0 = Vector512.ConditionalSelect(Vector512.GreaterThan(v0, high).AsByte(), high0 + one, high0);
                scores += 64;
            }

            sumLow += Avx512BW.SumAbsoluteDifferences(low0, Vector512<byte>.Zero).AsUInt64()
                + Avx512BW.SumAbsoluteDifferences(low1, Vector512<byte>.Zero).AsUInt64();
            sumHigh += Avx512BW.SumAbsoluteDifferences(high0, Vector512<byte>.Zero).AsUInt64()
                + Avx512BW.SumAbsoluteDifferences(high1, Vector512<byte>.Zero).AsUInt64();
        }

        ulong countLow = Vector512.Sum(sumLow);
        ulong countHigh = Vector512.Sum(sumHigh);
        int rest = n & 63;
        if (rest != 0)
        {
            Vector512<sbyte> v = LoadRest(scores, rest);
            countLow += (ulong)BitOperations.PopCount(Vector512.GreaterThan(v, low).ExtractMostSignificantBits());
            countHigh += (ulong)BitOperations.PopCount(Vector512.GreaterThan(v, high).ExtractMostSignificantBits());
        }

        return countLow | (countHigh << 32);
    }

    /// <summary>Sets the bits of the scores at or above <paramref name="threshold"/>, without the first <paramref name="skip"/> that equal it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Emit(sbyte* scores, int n, sbyte threshold, int skip, ulong* mask)
    {
        Vector512<sbyte> level = Vector512.Create(threshold);
        int words = n / 64;
        int w = 0;
        for (; w < words && skip > 0; w++)
        {
            Vector512<sbyte> v = Vector512.Load(scores + (w * 64));
            ulong ties = Vector512.Equals(v, level).ExtractMostSignificantBits();
            mask[w] = Vector512.GreaterThanOrEqual(v, level).ExtractMostSignificantBits() & ~FirstBits(ties, skip);
            skip -= BitOperations.PopCount(ties);
        }

        for (; w < words; w++)
        {
            mask[w] = Vector512.GreaterThanOrEqual(Vector512.Load(scores + (w * 64)), level).ExtractMostSignificantBits();
        }

        int rest = n & 63;
        if (rest != 0)
        {
            Vector512<sbyte> v = LoadRest(scores + (w * 64), rest);
            ulong valid = (1UL << rest) - 1;
            ulong ties = Vector512.Equals(v, level).ExtractMostSignificantBits() & valid;
            ulong kept = Vector512.GreaterThanOrEqual(v, level).ExtractMostSignificantBits() & valid;
            mask[w] = skip > 0 ? kept & ~FirstBits(ties, skip) : kept;
        }
    }

    /// <summary>The lowest <paramref name="count"/> set bits of <paramref name="bits"/>, or all when there are not so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong FirstBits(ulong bits, int count) =>
        count >= 64 ? bits : Bmi2.X64.ParallelBitDeposit((1UL << count) - 1, bits);

    /// <summary>The last scores; behind them the lowest level, which is above no threshold.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> LoadRest(sbyte* scores, int rest) => Avx512BW.MaskLoad(
        scores, Vector512.LessThan(Vector512<sbyte>.Indices, Vector512.Create((sbyte)rest)), Vector512.Create(sbyte.MinValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* Append(int* end, ulong bits, Vector512<int> start, byte* positions)
    {
        int count = BitOperations.PopCount(bits);
        Vector512<byte> packed = Avx512Vbmi2.Compress(Vector512<byte>.Zero, LaneMasks.SetBytes512(bits), Vector512<byte>.Indices);
        (Avx512F.ConvertToVector512Int32(packed.GetLower().GetLower()) + start).Store(end);
        if (count > 16)
        {
            packed.Store(positions);
            for (int i = 16; i < count; i += 16)
            {
                (Avx512F.ConvertToVector512Int32(Vector128.Load(positions + i)) + start).Store(end + i);
            }
        }

        return end + count;
    }
}
