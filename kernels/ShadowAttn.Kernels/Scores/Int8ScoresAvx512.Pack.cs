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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackKeys(sbyte* k8, nint k8Stride, int keys, int dim, byte* keyTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        sbyte* stage = stackalloc sbyte[Keys * 64];
        new Span<sbyte>(stage + (keys * 64), (Keys - keys) * 64).Clear();
        Int8ScoresWrap.ClearNorms(keyTile, dim);
        Vector512<short> peak = Vector512<short>.Zero;
        for (int block = 0; block < groups; block += BlockGroups)
        {
            for (int key = 0; key < keys; key++)
            {
                Interleave((byte*)k8 + (key * k8Stride), dim, groups, block).Store((byte*)stage + (key * 64));
            }

            float* longNorms = Int8ScoresWrap.LongNorms(keyTile) + (block / BlockGroups * 2);
            float* shortNorms = Int8ScoresWrap.ShortNorms(keyTile, dim) + (block / BlockGroups * 4);
            short* sums = (short*)(keyTile + SumOffset(dim) + (block / Int8ScoresWrap.ShortSection * GroupBytes));
            for (int j = 0; j < 4; j++)
            {
                Vector512<int> first0 = Vector512<int>.Zero, first1 = first0;
                for (int section = block; section < Math.Min(groups, block + BlockGroups); section += Int8ScoresWrap.ShortSection)
                {
                    Vector512<int> squares0 = Vector512<int>.Zero, squares1 = squares0;
                    Vector512<short> sum = Vector512<short>.Zero;
                    for (int g = section; g < Math.Min(groups, section + Int8ScoresWrap.ShortSection); g += 4)
                    {
                        byte* to = keyTile + DataOffset(dim) + ((nint)g * GroupBytes) + (j * 64);
                        int* from = (int*)(stage + (4 * j * 64) + ((g - block) * 4));
                        Vector512<int> r0 = Lanes(from), r1 = Lanes(from + 16), r2 = Lanes(from + 32), r3 = Lanes(from + 48);
                        Vector512<long> p0 = Avx512F.UnpackLow(r0, r1).AsInt64(), p1 = Avx512F.UnpackLow(r2, r3).AsInt64();
                        Vector512<long> p2 = Avx512F.UnpackHigh(r0, r1).AsInt64(), p3 = Avx512F.UnpackHigh(r2, r3).AsInt64();
                        Vector512<short> column = Avx512F.UnpackLow(p0, p1).AsInt16();
                        for (int c = 0; ; c++)
                        {
                            column.Store((short*)(to + (c * GroupBytes)));
                            Vector512<short> even = Vector512.ShiftRightArithmetic(column << 8, 8);
                            Vector512<short> odd = Vector512.ShiftRightArithmetic(column, 8);
                            Vector512<int> square = ((even * even) + (odd * odd)).AsInt32();
                            squares0 += square & Vector512.Create(0xFFFF);
                            squares1 += Vector512.ShiftRightLogical(square, 16);
                            peak = Vector512.Max(peak, Vector512.Abs(even) + Vector512.Abs(odd));
                            sum += even + odd;
                            if (c == 3 || g + c + 1 == groups)
                            {
                                break;
                            }

                            column = (c == 0 ? Avx512F.UnpackHigh(p0, p1) : c == 1 ? Avx512F.UnpackLow(p2, p3) : Avx512F.UnpackHigh(p2, p3)).AsInt16();
                        }
                    }

                    int index = (section - block) / Int8ScoresWrap.ShortSection;
                    sum.Store(sums + (index * GroupBytes / 2) + (j * 32));
                    Raise(shortNorms + (2 * index), squares0);
                    Raise(shortNorms + (2 * index) + 1, squares1);
                    first0 += squares0;
                    first1 += squares1;
                }

                Raise(longNorms, first0);
                Raise(longNorms + 1, first1);
            }
        }

        *Int8ScoresWrap.Peak(keyTile) = MaxOf(peak);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        int blocks = (groups + BlockGroups - 1) / BlockGroups;
        int* squares = stackalloc int[blocks * 4];
        Int8ScoresWrap.ClearNorms(rowTile, dim);
        Vector512<sbyte> least = Vector512<sbyte>.Zero, most = least;
        byte* to = rowTile + RowOffset(dim);
        for (int r = 0; r < rows; r++)
        {
            for (int block = 0; block < blocks; block++, to += 64)
            {
                Vector512<byte> quads = Interleave((byte*)q8 + (r * q8Stride), dim, groups, block * BlockGroups);
                quads.Store(to);
                least = Vector512.Min(least, quads.AsSByte());
                most = Vector512.Max(most, quads.AsSByte());
                Vector512<short> even = Vector512.ShiftRightArithmetic(quads.AsInt16() << 8, 8);
                Vector512<short> odd = Vector512.ShiftRightArithmetic(quads.AsInt16(), 8);
                Vector512<int> square = ((even * even) + (odd * odd)).AsInt32();
                Vector512<int> lane0 = square & Vector512.Create(0xFFFF), lane1 = Vector512.ShiftRightLogical(square, 16);
                squares[4 * block] = Vector256.Sum(lane0.GetLower());
                squares[(4 * block) + 1] = Vector256.Sum(lane1.GetLower());
                squares[(4 * block) + 2] = Vector256.Sum(lane0.GetUpper());
                squares[(4 * block) + 3] = Vector256.Sum(lane1.GetUpper());
            }

            Int8ScoresWrap.RaiseNorms(rowTile, dim, squares);
        }

        int offset = -MinOf(least);
        *Int8ScoresWrap.Offset(rowTile) = offset;
        *Int8ScoresWrap.Peak(rowTile) = offset - MinOf(Vector512<sbyte>.Zero - most);
        for (byte* at = rowTile + RowOffset(dim); at < to; at += 64)
        {
            (Vector512.Load(at) + Vector512.Create((byte)offset)).Store(at);
        }
    }

    /// <summary>Groups <paramref name="first"/> to first + 15 of a row: byte b of group g is channel b·groups + g, zero where there is none.</summary>
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

        Vector512<byte> quarters = Vector512.Create(Vector256.Create(v0, v1), Vector256.Create(v2, v3));
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
    private static Vector512<int> Lanes(int* from) => Vector512.Create(
        Vector256.Create(Vector128.Load(from), Vector128.Load(from + (16 * 16))),
        Vector256.Create(Vector128.Load(from + (32 * 16)), Vector128.Load(from + (48 * 16))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(float* norm, Vector512<int> squares)
    {
        Vector256<int> v = Vector256.Max(squares.GetLower(), squares.GetUpper());
        Vector128<int> w = Vector128.Max(v.GetLower(), v.GetUpper());
        w = Vector128.Max(w, Vector128.Shuffle(w, Vector128.Create(2, 3, 0, 1)));
        *norm = MathF.Max(*norm, Math.Max(w.ToScalar(), w.GetElement(1)));
    }

    /// <summary>The largest of lanes that are not negative.</summary>
    private static int MaxOf(Vector512<short> v)
    {
        Vector256<short> w = Vector256.Max(v.GetLower(), v.GetUpper());
        Vector128<short> x = Vector128.Max(w.GetLower(), w.GetUpper());
        return (ushort)~Sse41.MinHorizontal(~x.AsUInt16()).ToScalar();
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
