using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static ShadowAttn.Kernels.TailLevelsAvx512;

namespace ShadowAttn.Kernels;

/// <summary>
/// w = exp(-step·e), e = reference - score.
/// <para>Fixed point: w and e·w as 16-bit numbers, low and high bytes in registers of 64 levels; 64 keys at a time look up all four (VPERMI2B) and add up
/// exactly. Kept keys have e = 0 by saturation or are blanked, as in <see cref="TailMassAvx512"/>. Two ways: with 128 levels, where keys farther below count
/// as if they were at the last one, and with all 256, for small steps. The sums and the number of keys at the last level tell whether that is good
/// enough.</para>
/// <para>Floats, for steep steps and sums far below the reference: w with e = 16a + b is coarse[a]·fine[b], two register tables of 16 fp32 entries. 32 keys
/// at a time: widen, subtract, two lookups (VPERMPS) and a product per 16; Σ w and Σ e·w in fp32, parts of a row in double. Kept keys and weights that
/// would be subnormal are blanked.</para>
/// <para>Scores and squares: pairs of 16-bit products (VPMADDWD).</para>
/// </summary>
internal static unsafe class TailMomentsAvx512
{
    /// <summary>Keys whose weights are summed in fp32 before the sums go to double, and whose squares are summed in 32 bits.</summary>
    private const int Part = 1 << 15;

    /// <summary>Below this the keys behind the 128 levels weigh too much in Σ e·w, few as they are.</summary>
    private const float SmallStep = 0.055f;

    public static TailMomentsKernel Kernel => new(&Sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        bool done = step switch
        {
            >= SteepStep => false,
            >= SmallStep => FixedPoint<NearLevels>(scores, mask, n, (sbyte)reference, step, sums),
            _ => FixedPoint<AllLevels>(scores, mask, n, (sbyte)reference, step, sums),
        };
        if (!done)
        {
            Floats(scores, mask, n, reference, step, sums);
        }
    }

    /// <summary>All sums; false when mass or distance may be too far off. The largest e·w is at e = 1/step, 1/(step·exp(1)), and below 255.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool FixedPoint<TLevels>(sbyte* scores, ulong* mask, int n, sbyte reference, float step, TailMomentSums* sums)
        where TLevels : struct, ILevels
    {
        float unit = One * MathF.Max(MathF.E * step, 1f / 255);
        Vector512<float> fine = Fine(step), coarse0 = Coarse(step), coarse1 = Behind(coarse0, coarse0);
        Vector512<float> coarse2 = TLevels.All ? Behind(coarse1, coarse0) : default;
        Vector512<float> coarse3 = TLevels.All ? Behind(coarse2, coarse0) : default;
        (Vector512<byte> massLow0, Vector512<byte> massHigh0) = Weights(fine, coarse0);
        (Vector512<byte> massLow1, Vector512<byte> massHigh1) = Weights(fine, coarse1);
        (Vector512<byte> massLow2, Vector512<byte> massHigh2) = TLevels.All ? Weights(fine, coarse2) : default;
        (Vector512<byte> massLow3, Vector512<byte> massHigh3) = TLevels.All ? Weights(fine, coarse3) : default;
        (Vector512<byte> distanceLow0, Vector512<byte> distanceHigh0) = Distances(fine, coarse0, 0, unit);
        (Vector512<byte> distanceLow1, Vector512<byte> distanceHigh1) = Distances(fine, coarse1, 64, unit);
        (Vector512<byte> distanceLow2, Vector512<byte> distanceHigh2) = TLevels.All ? Distances(fine, coarse2, 128, unit) : default;
        (Vector512<byte> distanceLow3, Vector512<byte> distanceHigh3) = TLevels.All ? Distances(fine, coarse3, 192, unit) : default;
        double lastWeight = LastWeight(fine, coarse1);
        Vector512<sbyte> top = Vector512.Create(reference);
        Vector512<byte> sign = Vector512.Create((byte)0x80);
        Vector512<ulong> massLow = Vector512<ulong>.Zero;
        Vector512<ulong> massHigh = Vector512<ulong>.Zero;
        Vector512<ulong> distanceLow = Vector512<ulong>.Zero;
        Vector512<ulong> distanceHigh = Vector512<ulong>.Zero;
        Vector512<ulong> shifted = Vector512<ulong>.Zero;
        long squares = 0;
        TailCounts counts = default;
        int i = 0;
        while (i < n)
        {
            int stop = Math.Min(n, i + Part);
            Vector512<int> squares0 = Vector512<int>.Zero;
            Vector512<int> squares1 = Vector512<int>.Zero;
            for (; i < stop; i += 64, mask++)
            {
                (Vector512<sbyte> s, ulong kept) = n - i >= 64 ? (Vector512.Load(scores + i), *mask) : LoadPart(scores + i, mask, n - i, top);
                Vector512<byte> e = Below<TLevels>(top, s, kept, ref counts);
                massLow += Sums<TLevels>(e, massLow0, massLow1, massLow2, massLow3);
                massHigh += Sums<TLevels>(e, massHigh0, massHigh1, massHigh2, massHigh3);
                distanceLow += Sums<TLevels>(e, distanceLow0, distanceLow1, distanceLow2, distanceLow3);
                distanceHigh += Sums<TLevels>(e, distanceHigh0, distanceHigh1, distanceHigh2, distanceHigh3);
                shifted += Sum8(s.AsByte() ^ sign);
                Vector512<short> wide0 = Avx512BW.ConvertToVector512Int16(s.GetLower());
                Vector512<short> wide1 = Avx512BW.ConvertToVector512Int16(s.GetUpper());
                squares0 += Avx512BW.MultiplyAddAdjacent(wide0, wide0);
                squares1 += Avx512BW.MultiplyAddAdjacent(wide1, wide1);
            }

            squares += Vector512.Sum(squares0 + squares1);
        }

        int behind = i - n;
        sums->Scores = (long)Vector512.Sum(shifted) - (128L * i) - ((long)behind * reference);
        sums->Squares = squares - ((long)behind * reference * reference);
        double mass = Units(massLow, massHigh) - (counts.Kept * (long)One);
        double distance = Units(distanceLow, distanceHigh);
        sums->Mass = (float)(mass / One);
        sums->Distance = (float)(distance / unit);
        double last = counts.Last * lastWeight;
        return mass >= EnoughUnits * ((0.5 * n) + (last * One)) && distance >= EnoughUnits * ((0.5 * n) + (last * LastNear * unit));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Floats(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        Vector512<float> steps = Vector512.Create(-step);
        Vector512<float> index = Vector512.ConvertToSingle(Vector512<int>.Indices);
        Vector512<float> fine = ExpAvx512.VectorUpTo88(steps * index);
        Vector512<float> coarse = ExpAvx512.VectorUpTo88(steps * (index * 16));
        int limit = (int)MathF.Min(ExpScalar.Min / -step, 255);
        double mass = 0;
        double distance = 0;
        sums->Scores = 0;
        sums->Squares = 0;
        for (int i = 0; i < n; i += Part)
        {
            SumPart(scores + i, mask + (i / 64), Math.Min(Part, n - i), reference, limit, fine, coarse, sums);
            mass += sums->Mass;
            distance += sums->Distance;
        }

        sums->Mass = (float)mass;
        sums->Distance = (float)distance;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumPart(
        sbyte* scores, ulong* mask, int n, int reference, int limit, Vector512<float> fine, Vector512<float> coarse, TailMomentSums* sums)
    {
        Vector512<int> top = Vector512.Create(reference);
        Vector512<int> farthest = Vector512.Create(limit);
        Vector512<int> bit = Avx512F.ShiftLeftLogicalVariable(Vector512<int>.One, Vector512<uint>.Indices);
        Vector512<int> upperBit = bit << 16;
        Vector512<float> mass0 = Vector512<float>.Zero;
        Vector512<float> mass1 = Vector512<float>.Zero;
        Vector512<float> distance0 = Vector512<float>.Zero;
        Vector512<float> distance1 = Vector512<float>.Zero;
        Vector512<int> total = Vector512<int>.Zero;
        Vector512<int> squares = Vector512<int>.Zero;
        uint* kept = (uint*)mask;
        for (int i = 0; i < n; i += 32, kept++)
        {
            uint keptBits = *kept;
            Vector256<sbyte> s;
            if (i + 32 <= n)
            {
                s = Vector256.Load(scores + i);
            }
            else
            {
                keptBits |= uint.MaxValue << (n - i);
                s = Avx512BW.VL.MaskLoad(
                    scores + i, Vector256.LessThan(Vector256<sbyte>.Indices, Vector256.Create((sbyte)(n - i))), Vector256<sbyte>.Zero);
            }

            Vector512<short> wide = Avx512BW.ConvertToVector512Int16(s);
            total += Avx512BW.MultiplyAddAdjacent(wide, Vector512<short>.One);
            squares += Avx512BW.MultiplyAddAdjacent(wide, wide);
            Vector512<int> bits = Vector512.Create(keptBits).AsInt32();
            Vector512<int> e0 = top - Avx512F.ConvertToVector512Int32(s.GetLower());
            Vector512<int> e1 = top - Avx512F.ConvertToVector512Int32(s.GetUpper());
            Vector512<int> used0 = Vector512.Equals(bits & bit, Vector512<int>.Zero) & Vector512.LessThanOrEqual(e0, farthest);
            Vector512<int> used1 = Vector512.Equals(bits & upperBit, Vector512<int>.Zero) & Vector512.LessThanOrEqual(e1, farthest);
            Vector512<float> w0 = Avx512F.PermuteVar16x32(coarse, e0 >>> 4) * Avx512F.PermuteVar16x32(fine, e0);
            Vector512<float> w1 = Avx512F.PermuteVar16x32(coarse, e1 >>> 4) * Avx512F.PermuteVar16x32(fine, e1);
            w0 = Vector512.ConditionalSelect(used0.AsSingle(), w0, Vector512<float>.Zero);
            w1 = Vector512.ConditionalSelect(used1.AsSingle(), w1, Vector512<float>.Zero);
            mass0 += w0;
            mass1 += w1;
            distance0 = Avx512F.FusedMultiplyAdd(w0, Avx512F.ConvertToVector512Single(e0), distance0);
            distance1 = Avx512F.FusedMultiplyAdd(w1, Avx512F.ConvertToVector512Single(e1), distance1);
        }

        sums->Mass = Vector512.Sum(mass0 + mass1);
        sums->Distance = Vector512.Sum(distance0 + distance1);
        sums->Scores += Vector512.Sum(total);
        sums->Squares += Vector512.Sum(squares);
    }
}
