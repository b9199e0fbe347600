using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>How the x64 gather kernels ask for the rows that a list names next.</summary>
internal unsafe interface IRowFetch
{
    /// <summary>So many places later in the list is the row that is asked for; with 7 more a list's <see cref="GatherState.Padding"/> still has it.</summary>
    static abstract int Ahead { get; }

    /// <summary>Asks for a row of so many bytes.</summary>
    static abstract void Fetch(byte* row, nint bytes);
}

/// <summary>Rows that are in the second-level cache: the first line; the hardware's prefetchers follow with the others.</summary>
internal readonly unsafe struct NearRows : IRowFetch
{
    public static int Ahead => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* row, nint bytes) => Sse.Prefetch0(row);
}

/// <summary>
/// Rows from the third level or from memory: every line, farther ahead. The hardware's prefetchers see too little of 16-bit rows of two to
/// five lines; where memory is the source, this takes a third off the time. Longer rows they follow well enough.
/// </summary>
internal readonly unsafe struct FarRows : IRowFetch
{
    public static int Ahead => 16;

    /// <summary>No loop, so that only the prefetches remain where the number of bytes is a constant.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* row, nint bytes)
    {
        Sse.Prefetch0(row);
        if (bytes > 64)
        {
            Sse.Prefetch0(row + 64);
        }

        if (bytes > 128)
        {
            Sse.Prefetch0(row + 128);
        }

        if (bytes > 192)
        {
            Sse.Prefetch0(row + 192);
        }

        if (bytes > 256)
        {
            Sse.Prefetch0(row + 256);
        }
    }
}
