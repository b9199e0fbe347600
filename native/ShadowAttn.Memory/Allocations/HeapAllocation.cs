using System.Runtime.InteropServices;

namespace ShadowAttn.Memory;

/// <summary>Bytes of the C heap.</summary>
internal sealed unsafe class HeapAllocation : Allocation
{
    private HeapAllocation(byte* pointer)
        : base(pointer)
    {
    }

    public static HeapAllocation Allocate(nint bytes)
    {
        byte* pointer;
        try
        {
            pointer = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
        }
        catch (OutOfMemoryException e)
        {
            throw new InsufficientMemoryException($"cannot allocate {bytes} bytes on the heap", e);
        }

        NativeMemory.Clear(pointer, (nuint)bytes);
        return new HeapAllocation(pointer);
    }

    public override void Free() => NativeMemory.AlignedFree(Pointer);
}
