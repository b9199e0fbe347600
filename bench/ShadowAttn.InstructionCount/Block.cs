using System.Runtime.InteropServices;

namespace ShadowAttn.InstructionCount;

/// <summary>Zeroed memory for the length of the program, with room behind it.</summary>
internal static unsafe class Block
{
    private const int SlackBytes = 256;

    public static T* Allocate<T>(nint count)
        where T : unmanaged
    {
        nuint bytes = (nuint)(count * sizeof(T)) + SlackBytes;
        void* block = NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(block, bytes);
        return (T*)block;
    }
}
