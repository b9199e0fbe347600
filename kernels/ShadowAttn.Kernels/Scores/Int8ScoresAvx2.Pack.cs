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
        Vector256<short> peak = Vector256<short>.Zero;
        for (int section = 0; section < groups; section += Int8ScoresWrap.ShortSection, shortNorms += 2, sums += GroupBytes / 2)
        {
            for (int key = 0; key < keys; key++)
            {
                Interleave((byte*)k8 + (key * k8Stride), dim, groups, section).Store((byte*)stage + (key * StageBytes));
            }

            bool secondHalf = (section & Int8ScoresWrap.ShortSection) != 0;
            for (int j = 0; j < 4; j++)
            {
                Vector256<int> squares0 = Vector256<int>.Zero, squares1 = squares0;
                Vector256<short> sum = Vector256<short>.Zero;
                for (int g = section; g < Math.Min(groups, section + Int8ScoresWrap.ShortSection); g += 4)
                {
                    byte* to = keyTile + DataOffset(dim) + ((nint)g * GroupBytes) + (j * 32);
                    int* from = (int*)(stage + (4 * j * StageBytes) + ((g - section) * 4));
                    Vector256<int> r0 = Lanes(from), r1 = Lanes(from + 8), r2 = Lanes(from + 16), r3 = Lanes(from + 24);
                    Vector256<long> p0 = Avx2.UnpackLow(r0, r1).AsInt64(), p1 = Avx2.UnpackLow(r2, r3).AsInt64();
                    Vector256<long> p2 = Avx2.UnpackHigh(r0, r1).AsInt64(), p3 = Avx2.UnpackHigh(r2, r3).AsInt64();
                    Vector256<short> column = Avx2.UnpackLow(p0, p1).AsInt16();
                    for (int c = 0; ; c++)
                    {
                        column.Store((short*)(to + (c * GroupBytes)));
                        Vector256<short> even = Vector256.ShiftRightArithmetic(column << 8, 8);
                        Vector256<short> odd = Vector256.ShiftRightArithmetic(column, 8);
                        Vector256<int> square = ((even * even) + (odd * odd)).AsInt32();
                        squares0 += square & Vector256.Create(0xFFFF);
                        squares1 += Vector256.ShiftRightLogical(square, 16);
                        peak = Vector256.Max(peak, Vector256.Abs(even) + Vector256.Abs(odd));
                        sum += even + odd;
                        if (c == 3 || g + c + 1 == groups)
                        {
                            break;
                        }

                        column = (c == 0 ? Avx2.UnpackHigh(p0, p1) : c == 1 ? Avx2.UnpackLow(p2, p3) : Avx2.UnpackHigh(p2, p3)).AsInt16();
                    }
                }

                sum.Store(sums + (j * 16));
                Raise(shortNorms, squares0);
                Raise(shortNorms + 1, squares1);
                if (secondHalf)
                {
                    squares0 += Vector256.Load(before + (j * 16));
                    squares1 += Vector256.Load(before + (j * 16) + 8);
                }

                Raise(longNorms, squares0);
                Raise(longNorms + 1, squares1);
                squares0.Store(before + (j * 16));
                squares1.Store(before + (j * 16) + 8);
            }

            longNorms += secondHalf ? 2 : 0;
        }

        *Int8ScoresWrap.Peak(keyTile) = MaxOf(peak);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PrepareRows(sbyte* q8, nint q8Stride, int rows, int dim, byte* rowTile)
    {
        int groups = Int8ScoresWrap.Groups(dim);
        int sections = Int8ScoresWrap.ShortSections(dim);
        int* squares = stackalloc int[sections * 2];
        Int8ScoresWrap.ClearNorms(rowTile, dim);
        Vector256<sbyte> least = Vector256<sbyte>.Zero, most = least;
        byte* to = rowTile + Int8ScoresWrap.HeadBytes(dim);
        for (int r = 0; r < rows; r++)
        {
            for (int section = 0; section < sections; section++, to += 32)
            {
                Vector256<byte> quads = Interleave((byte*)q8 + (r * q8Stride), dim, groups, section * Int8ScoresWrap.ShortSection);
                quads.Store(to);
                least = Vector256.Min(least, quads.AsSByte());
                most = Vector256.Max(most, quads.AsSByte());
                Vector256<short> even = Vector256.ShiftRightArithmetic(quads.AsInt16() << 8, 8);
                Vector256<short> odd = Vector256.ShiftRightArithmetic(quads.AsInt16(), 8);
                Vector256<int> square = ((even * even) + (odd * odd)).AsInt32();
                squares[2 * section] = Vector256.Sum(square & Vector256.Create(0xFFFF));
                squares[(2 * section) + 1] = Vector256.Sum(Vector256.ShiftRightLogical(square, 16));
            }

            Int8ScoresWrap.RaiseNorms(rowTile, dim, squares);
        }

        int offset = MaxOf(Vector256<short>.Zero - Avx2.ConvertToVector256Int16(Vector128.Min(least.GetLower(), least.GetUpper())));
        *Int8ScoresWrap.Offset(rowTile) = offset;
        *Int8ScoresWrap.Peak(rowTile) = offset + MaxOf(Avx2.ConvertToVector256Int16(Vector128.Max(most.GetLower(), most.GetUpper())));
        for (byte* at = rowTile + Int8ScoresWrap.HeadBytes(dim); at < to; at += 32)
        {
            (Vector256.Load(at) + Vector256.Create((byte)offset)).Store(at);
        }
    }

    /// <summary>Groups <paramref name="first"/> to first + 7 of a row: byte b of group g is channel b·groups + g, zero where there is none.</summary>
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(float* norm, Vector256<int> squares)
    {
        Vector128<int> v = Vector128.Max(squares.GetLower(), squares.GetUpper());
        v = Vector128.Max(v, Vector128.Shuffle(v, Vector128.Create(2, 3, 0, 1)));
        *norm = MathF.Max(*norm, Math.Max(v.ToScalar(), v.GetElement(1)));
    }

    /// <summary>The largest of lanes that are not negative.</summary>
    private static int MaxOf(Vector256<short> v) =>
        (ushort)~Sse41.MinHorizontal(~Vector128.Max(v.GetLower(), v.GetUpper()).AsUInt16()).ToScalar();
}
