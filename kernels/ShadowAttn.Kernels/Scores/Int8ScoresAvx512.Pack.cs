using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Packing: 16 groups of each key are interleaved from the four quarters of its row (VPERMB) into a stage of [64 keys, 64 bytes], then 4 x 4
/// dwords are transposed within 128-bit lanes; the statistics of the head come from the transposed vectors.
/// </summary>
internal readonly unsafe partial struct Int8ScoresAvx512
{
    private const int BlockGroups = 16;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackKeys(sbyte* k8, nint k8Stride, int keys, int dim, byte* keyTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        sbyte* stage = stackalloc sbyte[Keys * 64];
        new Span<sbyte>(stage + (keys * 64), (Keys - keys) * 64).Clear();
        Int8ScoresWrap.ClearNorms(keyTile, dim);
        float* longNorms = Int8ScoresWrap.LongNorms(keyTile);
        float* shortNorms = Int8ScoresWrap.ShortNorms(keyTile, dim);
        short* sums = (short*)(keyTile + SumOffset(dim));
        Vector512<byte> single = Vector512<byte>.Zero;
        Vector512<ushort> pair = Vector512<ushort>.Zero;
        for (int block = 0; block < groups; block += BlockGroups, longNorms += 2, shortNorms += 4, sums += GroupBytes)
        {
            for (int key = 0; key < keys; key++)
            {
                Interleave((byte*)k8 + (key * k8Stride), dim, groups, block).Store((byte*)stage + (key * 64));
            }

            int count = Math.Min(BlockGroups, groups - block);
            byte* to = keyTile + DataOffset(dim) + ((nint)block * GroupBytes);
            for (int j = 0; j < 4; j++)
            {
                Vector512<int> first0 = Vector512<int>.Zero, first1 = first0, second0 = first0, second1 = first0;
                Vector512<short> firstSum = Vector512<short>.Zero, secondSum = firstSum;
                for (int g = 0; g < count; g += 4)
                {
                    int* from = (int*)(stage + (4 * j * 64)) + g;
                    Vector512<int> r0 = Lanes(from), r1 = Lanes(from + 16), r2 = Lanes(from + 32), r3 = Lanes(from + 48);
                    Vector512<long> p0 = Avx512F.UnpackLow(r0, r1).AsInt64(), p1 = Avx512F.UnpackLow(r2, r3).AsInt64();
                    Vector512<long> p2 = Avx512F.UnpackHigh(r0, r1).AsInt64(), p3 = Avx512F.UnpackHigh(r2, r3).AsInt64();
                    Vector512<short> c0 = Avx512F.UnpackLow(p0, p1).AsInt16(), c1 = Avx512F.UnpackHigh(p0, p1).AsInt16();
                    Vector512<short> c2 = Avx512F.UnpackLow(p2, p3).AsInt16(), c3 = Avx512F.UnpackHigh(p2, p3).AsInt16();
                    StoreColumns(c0, c1, c2, c3, (short*)(to + ((nint)g * GroupBytes) + (j * 64)), count - g);
                    Vector512<short> e0 = Even(c0), e1 = Even(c1), e2 = Even(c2), e3 = Even(c3);
                    Vector512<short> o0 = Odd(c0), o1 = Odd(c1), o2 = Odd(c2), o3 = Odd(c3);
                    Vector512<int> s0 = Squares(e0, o0), s1 = Squares(e1, o1), s2 = Squares(e2, o2), s3 = Squares(e3, o3);
                    single = Vector512.Max(Vector512.Max(single, Magnitude(c0)), Vector512.Max(Magnitude(c1), Magnitude(c2)));
                    single = Vector512.Max(single, Magnitude(c3));
                    e0 += o0;
                    e1 += o1;
                    e2 += o2;
                    e3 += o3;
                    pair = Vector512.Max(Vector512.Max(pair, Avx512BW.Abs(e0)), Vector512.Max(Avx512BW.Abs(e1), Avx512BW.Abs(e2)));
                    pair = Vector512.Max(pair, Avx512BW.Abs(e3));
                    Vector512<short> sum = e0 + e1 + (e2 + e3);
                    Vector512<int> lane0 = Lane0(s0) + Lane0(s1) + (Lane0(s2) + Lane0(s3));
                    Vector512<int> lane1 = Lane1(s0) + Lane1(s1) + (Lane1(s2) + Lane1(s3));
                    if (g < Int8ScoresWrap.ShortSection)
                    {
                        first0 += lane0;
                        first1 += lane1;
                        firstSum += sum;
                    }
                    else
                    {
                        second0 += lane0;
                        second1 += lane1;
                        secondSum += sum;
                    }
                }

                firstSum.Store(sums + (j * 32));
                if (count > Int8ScoresWrap.ShortSection)
                {
                    secondSum.Store(sums + (GroupBytes / 2) + (j * 32));
                }

                Raise(shortNorms, first0, first1);
                Raise(shortNorms + 2, second0, second1);
                Raise(longNorms, first0 + second0, first1 + second1);
            }
        }

        Vector512<ushort> even = single.AsUInt16() & Vector512.Create((ushort)0xFF), odd = Vector512.ShiftRightLogical(single.AsUInt16(), 8);
        *Int8ScoresWrap.Peak(keyTile) = MaxOf(Vector512.Max(pair, Vector512.Max(even, odd)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        nint rowBytes = RowBytes(dim);
        Int8ScoresWrap.ClearNorms(rowTile, dim);
        float* longNorms = Int8ScoresWrap.LongNorms(rowTile);
        float* shortNorms = Int8ScoresWrap.ShortNorms(rowTile, dim);
        Vector512<sbyte> least = Vector512<sbyte>.Zero, most = least;
        byte* data = rowTile + RowOffset(dim);
        for (int block = 0; block < groups; block += BlockGroups, longNorms += 2, shortNorms += 4)
        {
            Vector512<int> shortSquares = Vector512<int>.Zero, longSquares = shortSquares;
            for (int r = 0; r < rows; r++)
            {
                Vector512<byte> quads = Interleave((byte*)q8 + (r * q8Stride), dim, groups, block);
                quads.Store(data + (r * rowBytes) + (block * 4));
                least = Vector512.Min(least, quads.AsSByte());
                most = Vector512.Max(most, quads.AsSByte());
                Vector512<int> squares = Squares(Even(quads.AsInt16()), Odd(quads.AsInt16()));
                Vector512<int> sums = SumOfSection(Lane0(squares), Lane1(squares));
                shortSquares = Vector512.Max(shortSquares, sums);
                longSquares = Vector512.Max(longSquares, sums + Avx512F.Shuffle4x128(sums, sums, 0b01_00_11_10));
            }

            Vector128<float> norms = Vector128.ConvertToSingle(
                Sse2.UnpackLow(shortSquares.GetLower().GetLower().AsInt64(), shortSquares.GetUpper().GetLower().AsInt64()).AsInt32());
            norms.Store(shortNorms);
            Sse.StoreLow(longNorms, Vector128.ConvertToSingle(longSquares.GetLower().GetLower()));
        }

        int offset = -MinOf(least);
        *Int8ScoresWrap.Offset(rowTile) = offset;
        *Int8ScoresWrap.Peak(rowTile) = offset - MinOf(Vector512<sbyte>.Zero - most);
        for (nint i = 0; i < rows * rowBytes; i += 64)
        {
            (Vector512.Load(data + i) + Vector512.Create((byte)offset)).Store(data + i);
        }
    }

    /// <summary>Stores the first <paramref name="count"/> of four columns a group apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreColumns(
        Vector512<short> first, Vector512<short> second, Vector512<short> third, Vector512<short> fourth, short* at, int count)
    {
        first.Store(at);
        if (count > 1)
        {
            second.Store(at + (GroupBytes / 2));
        }

        if (count > 2)
        {
            third.Store(at + GroupBytes);
        }

        if (count > 3)
        {
            fourth.Store(at + (3 * GroupBytes / 2));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Even(Vector512<short> bytes) => Vector512.ShiftRightArithmetic(bytes << 8, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Odd(Vector512<short> bytes) => Vector512.ShiftRightArithmetic(bytes, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Magnitude(Vector512<short> bytes) => Avx512BW.Abs(bytes.AsSByte());

    /// <summary>The sums of two squares, up to 32768, as unsigned 16-bit numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Squares(Vector512<short> even, Vector512<short> odd) => ((even * even) + (odd * odd)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Lane0(Vector512<int> squares) => squares & Vector512.Create(0xFFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Lane1(Vector512<int> squares) => Vector512.ShiftRightLogical(squares, 16);

    /// <summary>The sums of the two halves of 8 dwords each: in every pair of dwords of a half (lane 0, lane 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> SumOfSection(Vector512<int> lane0, Vector512<int> lane1)
    {
        Vector512<int> sum = Avx512F.UnpackLow(lane0, lane1) + Avx512F.UnpackHigh(lane0, lane1);
        sum += Avx512F.Shuffle(sum, 0b01_00_11_10);
        return sum + Avx512F.Shuffle4x128(sum, sum, 0b10_11_00_01);
    }

    /// <summary>Groups <paramref name="first"/> to first + 15 of a row in the order of the tile, zero where there is no channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Interleave(byte* row, int dim, int groups, int first)
    {
        int count = Math.Min(BlockGroups, groups - first);
        byte* q0 = row + first, q1 = q0 + groups, q2 = q1 + groups, q3 = q2 + groups;
        Vector128<byte> v0, v1, v2, v3;
        if (count == BlockGroups && 4 * groups == dim)
        {
            v0 = Vector128.Load(q0);
            v1 = Vector128.Load(q1);
            v2 = Vector128.Load(q2);
            v3 = Vector128.Load(q3);
        }
        else
        {
            v0 = LoadFirst(q0, Math.Min(count, dim - first));
            v1 = LoadFirst(q1, Math.Min(count, dim - groups - first));
            v2 = LoadFirst(q2, Math.Min(count, dim - (2 * groups) - first));
            v3 = LoadFirst(q3, Math.Min(count, dim - (3 * groups) - first));
        }

        Vector512<byte> quarters = Join(Join(v0, v1), Join(v2, v3));
        return Avx512Vbmi.PermuteVar64x8(quarters, InterleaveOrder);
    }

    private static Vector512<byte> InterleaveOrder
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(
            0, 16, 32, 48, 1, 17, 33, 49, 2, 18, 34, 50, 3, 19, 35, 51, 4, 20, 36, 52, 5, 21, 37, 53, 6, 22, 38, 54, 7, 23, 39, 55,
            8, 24, 40, 56, 9, 25, 41, 57, 10, 26, 42, 58, 11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, (byte)63);
    }

    /// <summary>The first <paramref name="count"/> bytes, zeros behind them; none when the count is not positive.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LoadFirst(byte* from, int count) =>
        Avx512BW.VL.MaskLoad(from, LaneMasks.First128Bytes(count).AsByte(), Vector128<byte>.Zero);

    /// <summary>16 bytes of the staged keys 0, 16, 32 and 48 behind <paramref name="from"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Lanes(int* from) => Join(
        Join(Vector128.Load(from), Vector128.Load(from + (16 * 16))),
        Join(Vector128.Load(from + (32 * 16)), Vector128.Load(from + (48 * 16))));

    // Vector512.Create(lower, upper) inserts into a third, uninitialised vector, which costs a register and a dependency.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<T> Join<T>(Vector128<T> lower, Vector128<T> upper) => lower.ToVector256Unsafe().WithUpper(upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<T> Join<T>(Vector256<T> lower, Vector256<T> upper) => lower.ToVector512Unsafe().WithUpper(upper);

    /// <summary>Raises the norms of two lanes to the largest of 16 keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(float* norms, Vector512<int> lane0, Vector512<int> lane1)
    {
        Vector512<int> most = Vector512.Max(Avx512F.UnpackLow(lane0, lane1), Avx512F.UnpackHigh(lane0, lane1));
        Vector256<int> half = Vector256.Max(most.GetLower(), most.GetUpper());
        Vector128<int> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        quarter = Vector128.Max(quarter, Sse2.Shuffle(quarter, 0b01_00_11_10));
        Sse.StoreLow(norms, Sse.Max(Vector128.ConvertToSingle(quarter), Sse.LoadLow(Vector128<float>.Zero, norms)));
    }

    private static int MaxOf(Vector512<ushort> v)
    {
        Vector256<ushort> w = Vector256.Max(v.GetLower(), v.GetUpper());
        Vector128<ushort> x = Vector128.Max(w.GetLower(), w.GetUpper());
        return (ushort)~Sse41.MinHorizontal(~x).ToScalar();
    }

    private static int MinOf(Vector512<sbyte> v)
    {
        Vector256<sbyte> w = Vector256.Min(v.GetLower(), v.GetUpper());
        Vector128<sbyte> x = Vector128.Min(w.GetLower(), w.GetUpper());
        Vector128<ushort> y = Vector128.Min(
            (x.AsUInt16() & Vector128.Create((ushort)0xFF)) ^ Vector128.Create((ushort)0x80),
            Vector128.ShiftRightLogical(x.AsUInt16(), 8) ^ Vector128.Create((ushort)0x80));
        return Sse41.MinHorizontal(y).ToScalar() - 128;
    }
}
