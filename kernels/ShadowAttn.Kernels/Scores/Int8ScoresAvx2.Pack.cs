using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// Packing: 8 groups (one section) of each key are interleaved from the four quarters of its row into a stage of [32 keys, 32 bytes], then 4 x 4
/// dwords are transposed within 128-bit lanes; the statistics of the head come from the transposed vectors.
/// </summary>
internal readonly unsafe partial struct Int8ScoresAvx2
{
    private const int StageBytes = 32;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackKeys(sbyte* k8, nint k8Stride, int keys, int dim, byte* keyTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        sbyte* stage = stackalloc sbyte[Keys * StageBytes];
        int* before = stackalloc int[4 * 16];
        new Span<sbyte>(stage + (keys * StageBytes), (Keys - keys) * StageBytes).Clear();
        Int8ScoresWrap.ClearNorms(keyTile, dim);
        float* longNorms = Int8ScoresWrap.LongNorms(keyTile);
        float* shortNorms = Int8ScoresWrap.ShortNorms(keyTile, dim);
        short* sums = (short*)(keyTile + Int8ScoresWrap.HeadBytes(dim));
        byte* data = keyTile + DataOffset(dim);
        Vector256<short> peak = Vector256<short>.Zero;
        for (int section = 0; section < groups; section += Int8ScoresWrap.ShortSection)
        {
            for (int key = 0; key < keys; key++)
            {
                Interleave((byte*)k8 + (key * k8Stride), dim, groups, section).Store((byte*)stage + (key * StageBytes));
            }

            bool second = (section & Int8ScoresWrap.ShortSection) != 0;
            int count = Math.Min(Int8ScoresWrap.ShortSection, groups - section);
            for (int j = 0; j < 4; j++)
            {
                Vector256<int> squares0 = Vector256<int>.Zero, squares1 = squares0;
                Vector256<short> sum = Vector256<short>.Zero;
                for (int g = 0; g < count; g += 4)
                {
                    int* from = (int*)(stage + (4 * j * StageBytes)) + g;
                    Vector256<int> r0 = Lanes(from), r1 = Lanes(from + 8), r2 = Lanes(from + 16), r3 = Lanes(from + 24);
                    Vector256<long> p0 = Avx2.UnpackLow(r0, r1).AsInt64(), p1 = Avx2.UnpackLow(r2, r3).AsInt64();
                    Vector256<long> p2 = Avx2.UnpackHigh(r0, r1).AsInt64(), p3 = Avx2.UnpackHigh(r2, r3).AsInt64();
                    Vector256<short> c0 = Avx2.UnpackLow(p0, p1).AsInt16(), c1 = Avx2.UnpackHigh(p0, p1).AsInt16();
                    Vector256<short> c2 = Avx2.UnpackLow(p2, p3).AsInt16(), c3 = Avx2.UnpackHigh(p2, p3).AsInt16();
                    StoreColumns(c0, c1, c2, c3, (short*)(data + ((nint)(section + g) * GroupBytes) + (j * 32)), count - g);
                    Vector256<short> e0 = Even(c0), e1 = Even(c1), e2 = Even(c2), e3 = Even(c3);
                    Vector256<short> o0 = Odd(c0), o1 = Odd(c1), o2 = Odd(c2), o3 = Odd(c3);
                    peak = Vector256.Max(Vector256.Max(peak, Magnitude(e0, o0)), Vector256.Max(Magnitude(e1, o1), Magnitude(e2, o2)));
                    peak = Vector256.Max(peak, Magnitude(e3, o3));
                    sum += e0 + o0 + (e1 + o1) + (e2 + o2 + (e3 + o3));
                    Vector256<int> s0 = Squares(e0, o0), s1 = Squares(e1, o1), s2 = Squares(e2, o2), s3 = Squares(e3, o3);
                    squares0 += Lane0(s0) + Lane0(s1) + (Lane0(s2) + Lane0(s3));
                    squares1 += Lane1(s0) + Lane1(s1) + (Lane1(s2) + Lane1(s3));
                }

                sum.Store(sums + (j * 16));
                Raise(shortNorms, squares0, squares1);
                if (second)
                {
                    squares0 += Vector256.Load(before + (j * 16));
                    squares1 += Vector256.Load(before + (j * 16) + 8);
                }

                Raise(longNorms, squares0, squares1);
                squares0.Store(before + (j * 16));
                squares1.Store(before + (j * 16) + 8);
            }

            shortNorms += 2;
            longNorms += second ? 2 : 0;
            sums += GroupBytes / 2;
        }

        *Int8ScoresWrap.Peak(keyTile) = MaxOf(peak);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        nint rowBytes = RowBytes(dim);
        Int8ScoresWrap.ClearNorms(rowTile, dim);
        float* longNorms = Int8ScoresWrap.LongNorms(rowTile);
        float* shortNorms = Int8ScoresWrap.ShortNorms(rowTile, dim);
        Vector256<sbyte> least = Vector256<sbyte>.Zero, most = least;
        byte* data = rowTile + Int8ScoresWrap.HeadBytes(dim);
        for (int r = 0; r < rows; r++, q8 += q8Stride)
        {
            Vector128<int> before = Vector128<int>.Zero;
            for (int section = 0; section < groups; section += Int8ScoresWrap.ShortSection)
            {
                Vector256<byte> quads = Interleave((byte*)q8, dim, groups, section);
                quads.Store(data + (r * rowBytes) + (section * 4));
                least = Vector256.Min(least, quads.AsSByte());
                most = Vector256.Max(most, quads.AsSByte());
                Vector256<int> squares = Squares(Even(quads.AsInt16()), Odd(quads.AsInt16()));
                Vector256<int> lane0 = Lane0(squares), lane1 = Lane1(squares);
                Vector256<int> pairs = Avx2.UnpackLow(lane0, lane1) + Avx2.UnpackHigh(lane0, lane1);
                Vector128<int> sums = pairs.GetLower() + pairs.GetUpper();
                sums += Sse2.Shuffle(sums, 0b01_00_11_10);
                Raise(shortNorms + (section / Int8ScoresWrap.ShortSection * 2), sums);
                bool second = (section & Int8ScoresWrap.ShortSection) != 0;
                Raise(longNorms + (section / (2 * Int8ScoresWrap.ShortSection) * 2), second ? sums + before : sums);
                before = sums;
            }
        }

        int offset = MaxOf(Vector256<short>.Zero - Avx2.ConvertToVector256Int16(Vector128.Min(least.GetLower(), least.GetUpper())));
        *Int8ScoresWrap.Offset(rowTile) = offset;
        *Int8ScoresWrap.Peak(rowTile) = offset + MaxOf(Avx2.ConvertToVector256Int16(Vector128.Max(most.GetLower(), most.GetUpper())));
        for (nint i = 0; i < rows * rowBytes; i += 32)
        {
            (Vector256.Load(data + i) + Vector256.Create((byte)offset)).Store(data + i);
        }
    }

    /// <summary>Stores the first <paramref name="count"/> of four columns a group apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreColumns(
        Vector256<short> first, Vector256<short> second, Vector256<short> third, Vector256<short> fourth, short* at, int count)
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
    private static Vector256<short> Even(Vector256<short> bytes) => Vector256.ShiftRightArithmetic(bytes << 8, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Odd(Vector256<short> bytes) => Vector256.ShiftRightArithmetic(bytes, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Magnitude(Vector256<short> even, Vector256<short> odd) => Vector256.Abs(even) + Vector256.Abs(odd);

    /// <summary>The sums of two squares, up to 32768, as unsigned 16-bit numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Squares(Vector256<short> even, Vector256<short> odd) => ((even * even) + (odd * odd)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Lane0(Vector256<int> squares) => squares & Vector256.Create(0xFFFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Lane1(Vector256<int> squares) => Vector256.ShiftRightLogical(squares, 16);

    /// <summary>Groups <paramref name="first"/> to first + 7 of a row in the order of the tile, zero where there is no channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Interleave(byte* row, int dim, int groups, int first)
    {
        byte* q0 = row + first, q1 = q0 + groups, q2 = q1 + groups, q3 = q2 + groups;
        Vector128<byte> v0, v1, v2, v3;
        if (groups - first >= 8 && 4 * groups == dim)
        {
            v0 = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(q0)).AsByte();
            v1 = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(q1)).AsByte();
            v2 = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(q2)).AsByte();
            v3 = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(q3)).AsByte();
        }
        else
        {
            int count = Math.Min(8, groups - first);
            v0 = LoadFirst(q0, Math.Min(count, dim - first));
            v1 = LoadFirst(q1, Math.Min(count, dim - groups - first));
            v2 = LoadFirst(q2, Math.Min(count, dim - (2 * groups) - first));
            v3 = LoadFirst(q3, Math.Min(count, dim - (3 * groups) - first));
        }

        Vector128<short> front = Sse2.UnpackLow(v0, v1).AsInt16(), back = Sse2.UnpackLow(v2, v3).AsInt16();
        return Vector256.Create(Sse2.UnpackLow(front, back), Sse2.UnpackHigh(front, back)).AsByte();
    }

    /// <summary>The first <paramref name="count"/> bytes, at most 8, zeros behind them; none when the count is not positive.</summary>
    private static Vector128<byte> LoadFirst(byte* from, int count)
    {
        ulong bytes = 0;
        for (int i = 0; i < count; i++)
        {
            bytes |= (ulong)from[i] << (8 * i);
        }

        return Vector128.CreateScalar(bytes).AsByte();
    }

    /// <summary>16 bytes of the staged keys 0 and 16 behind <paramref name="from"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Lanes(int* from) => Vector256.Create(Vector128.Load(from), Vector128.Load(from + (16 * StageBytes / 4)));

    /// <summary>Raises the norms of two lanes to the largest of 8 keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(float* norms, Vector256<int> lane0, Vector256<int> lane1)
    {
        Vector256<int> most = Vector256.Max(Avx2.UnpackLow(lane0, lane1), Avx2.UnpackHigh(lane0, lane1));
        Vector128<int> half = Vector128.Max(most.GetLower(), most.GetUpper());
        Raise(norms, Vector128.Max(half, Sse2.Shuffle(half, 0b01_00_11_10)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(float* norms, Vector128<int> squares) =>
        Sse.StoreLow(norms, Sse.Max(Vector128.ConvertToSingle(squares), Sse.LoadLow(Vector128<float>.Zero, norms)));

    /// <summary>The largest of lanes that are not negative.</summary>
    private static int MaxOf(Vector256<short> v) =>
        (ushort)~Sse41.MinHorizontal(~Vector128.Max(v.GetLower(), v.GetUpper()).AsUInt16()).ToScalar();
}
