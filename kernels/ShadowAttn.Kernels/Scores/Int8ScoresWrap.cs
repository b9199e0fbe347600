using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ShadowAttn.Kernels;

/// <summary>
/// INT8 products by multiply-add of unsigned and signed bytes into 16-bit sums that may wrap around: what the AVX2 and AVX-512 tiles share.
/// <para>q·k = Σ (q + z)·k - z·Σ k with z = -min q over the tile's rows, so that q + z is an unsigned byte. The instruction adds two products
/// and saturates at 16 bits, which cannot happen when max(q + z)·max(|k_a|, |k_b|, |k_a + k_b|) ≤ 32767 over the pairs (a, b) of channels that it
/// adds: of opposite signs only one counts.
/// A 16-bit lane starts at -z·Σ k of its channels and adds modulo 2^16: right at the end, whatever happened between, if the true sum
/// fits. By Cauchy and Schwarz |Σ q·k|² ≤ Σ q²·Σ k², both taken over the lane's channels of one section.</para>
/// <para>Sections are 32 or, where that suffices, 64 channels long; at their end lanes are widened to 32 bits. Pairs of tiles that meet no bound
/// are multiplied as 16-bit integers, exactly, at half the speed.</para>
/// </summary>
/// <remarks>
/// <para>Order of the channels: byte b of group g is channel b·groups + g, groups = ⌈dim/4⌉. Neighbours, and partners half a head apart, tend
/// to be large together (rotary embeddings rotate them into each other); channels a quarter apart are not.</para>
/// <para>Head of a tile of keys or rows: peak (int32: max(|k_a|, |k_b|, |k_a + k_b|) or, simpler, max(|k_a| + |k_b|); max q + z), offset z (int32,
/// rows only), padded to 8 floats; then Σ k² or Σ q², the maximum over the tile's keys or rows, of 2 lanes per section: of the 64-channel
/// sections, padded to 8 floats; of the 32-channel sections, padded to 8.</para>
/// </remarks>
internal static unsafe class Int8ScoresWrap
{
    /// <summary>Groups of 4 channels in a short section; a long one has twice as many.</summary>
    public const int ShortSection = 8;

    /// <summary>
    /// The largest true sum that 16 bits hold beside half a step of a shift by 8, squared, less what the single-precision product may err.
    /// </summary>
    private const float SquareLimit = (32767f - 128) * (32767f - 128) * (1 - 1e-6f);

    /// <summary>Groups of 4 channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Groups(int dim) => (dim + 3) / 4;

    /// <summary>Sections of 32 channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int ShortSections(int dim) => (dim + 31) / 32;

    /// <summary>Bytes of the head, a multiple of 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint HeadBytes(int dim) => 32 + LongNormBytes(dim) + ShortNormBytes(dim);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int* Peak(byte* head) => (int*)head;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int* Offset(byte* head) => (int*)head + 1;

    /// <summary>Groups between widenings for a tile of rows and a tile of keys: 16, 8, or 0 when only full 16-bit products are safe.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SectionGroups(byte* rowHead, byte* keyHead, int dim)
    {
        if (*Peak(rowHead) * *Peak(keyHead) > short.MaxValue)
        {
            return 0;
        }

        nint longBytes = LongNormBytes(dim);
        return Fits(rowHead + 32, keyHead + 32, longBytes) ? 2 * ShortSection
            : Fits(rowHead + 32 + longBytes, keyHead + 32 + longBytes, ShortNormBytes(dim)) ? ShortSection
            : 0;
    }

    /// <summary>The norms of 64-channel sections, [section, lane].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* LongNorms(byte* head) => (float*)(head + 32);

    /// <summary>The norms of 32-channel sections, [section, lane].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* ShortNorms(byte* head, int dim) => (float*)(head + 32 + LongNormBytes(dim));

    /// <summary>Sets all norms to zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ClearNorms(byte* head, int dim)
    {
        nint bytes = HeadBytes(dim);
        for (nint i = 32; i < bytes; i += 32)
        {
            Vector256<byte>.Zero.Store(head + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint LongNormBytes(int dim) => (nint)((ShortSections(dim) + 7) / 8) * 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint ShortNormBytes(int dim) => (nint)((ShortSections(dim) + 3) / 4) * 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Fits(byte* rowNorms, byte* keyNorms, nint bytes)
    {
        for (nint i = 0; i < bytes; i += 32)
        {
            Vector256<float> bound = Vector256.Load((float*)(rowNorms + i)) * Vector256.Load((float*)(keyNorms + i));
            if (Vector256.GreaterThanAny(bound, Vector256.Create(SquareLimit)))
            {
                return false;
            }
        }

        return true;
    }
}
