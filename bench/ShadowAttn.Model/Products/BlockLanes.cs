using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Model.Products;

/// <summary>What the block formats have in common: 16 small numbers to 16 floats. Products and sums are rounded apart, as in the formulas.</summary>
internal static unsafe class BlockLanes
{
    /// <summary>y_i = q_i·scale + offset for 16 numbers -128 to 127.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<sbyte> q, float scale, float offset, float* y)
    {
        if (Avx512F.IsSupported)
        {
            Vector512<float> x = Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(q));
            ((x * scale) + Vector512.Create(offset)).Store(y);
            return;
        }

        if (Avx2.IsSupported)
        {
            Vector256<float> low = Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32(q));
            Vector256<float> high = Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32(Sse2.ShiftRightLogical128BitLane(q, 8)));
            ((low * scale) + Vector256.Create(offset)).Store(y);
            ((high * scale) + Vector256.Create(offset)).Store(y + 8);
            return;
        }

        (Vector128<short> s0, Vector128<short> s1) = Vector128.Widen(q);
        (Vector128<int> i0, Vector128<int> i1) = Vector128.Widen(s0);
        (Vector128<int> i2, Vector128<int> i3) = Vector128.Widen(s1);
        Vector128<float> b = Vector128.Create(offset);
        ((Vector128.ConvertToSingle(i0) * scale) + b).Store(y);
        ((Vector128.ConvertToSingle(i1) * scale) + b).Store(y + 4);
        ((Vector128.ConvertToSingle(i2) * scale) + b).Store(y + 8);
        ((Vector128.ConvertToSingle(i3) * scale) + b).Store(y + 12);
    }

    /// <summary>The low four bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Low(Vector128<byte> packed) => packed & Vector128.Create((byte)15);

    /// <summary>The high four bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> High(Vector128<byte> packed) => Vector128.ShiftRightLogical(packed.AsUInt16(), 4).AsByte() & Vector128.Create((byte)15);

    /// <summary><paramref name="value"/> in the bytes whose bit is set, 0 in the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> FromBits(ushort bits, byte value)
    {
        Vector128<byte> spread = Vector128.Create(Vector64.Create((byte)bits), Vector64.Create((byte)(bits >> 8)));
        Vector128<byte> bit = Vector128.Create(0x8040201008040201UL).AsByte();
        return Vector128.Equals(spread & bit, bit) & Vector128.Create(value);
    }

    /// <summary>An fp16 number of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* p) => (float)BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(p));
}
