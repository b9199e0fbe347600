using System.Runtime.InteropServices;

namespace ShadowAttn.Memory;

/// <summary>The three functions of <c>libcdsprpc.so</c>: alloc(heap, flags, bytes), free(pointer), to_fd(pointer).</summary>
internal readonly unsafe struct RpcMemApi
{
    public const string LibraryName = "libcdsprpc.so";

    public readonly delegate* unmanaged<int, uint, int, void*> Alloc;
    public readonly delegate* unmanaged<void*, void> Free;
    public readonly delegate* unmanaged<void*, int> ToFileDescriptor;

    public RpcMemApi(
        delegate* unmanaged<int, uint, int, void*> alloc,
        delegate* unmanaged<void*, void> free,
        delegate* unmanaged<void*, int> toFileDescriptor)
    {
        Alloc = alloc;
        Free = free;
        ToFileDescriptor = toFileDescriptor;
    }

    /// <summary>Finds the functions. A library that was loaded stays so: its memory may outlive any one buffer.</summary>
    /// <returns>Null, or why there are none.</returns>
    public static string? Find(out RpcMemApi api)
    {
        api = default;
        if (!NativeLibrary.TryLoad(LibraryName, out nint library))
        {
            return $"{LibraryName} was not found (it comes with the vendor's image of machines with a Hexagon DSP)";
        }

        if (!NativeLibrary.TryGetExport(library, "rpcmem_alloc", out nint alloc)
            || !NativeLibrary.TryGetExport(library, "rpcmem_free", out nint free)
            || !NativeLibrary.TryGetExport(library, "rpcmem_to_fd", out nint toFileDescriptor))
        {
            return $"{LibraryName} lacks rpcmem_alloc, rpcmem_free or rpcmem_to_fd";
        }

        api = new RpcMemApi(
            (delegate* unmanaged<int, uint, int, void*>)alloc,
            (delegate* unmanaged<void*, void>)free,
            (delegate* unmanaged<void*, int>)toFileDescriptor);
        return null;
    }
}

/// <summary>Memory that the DSP shares.</summary>
internal sealed unsafe class RpcMemAllocation : Allocation
{
    private const int SystemHeap = 25;
    private const uint DefaultFlags = 1;
    private readonly RpcMemApi _api;

    private RpcMemAllocation(RpcMemApi api, byte* pointer, int fileDescriptor)
        : base(pointer, fileDescriptor) => _api = api;

    public static RpcMemAllocation Allocate(nint bytes, RpcMemApi api)
    {
        if (bytes > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), $"rpcmem allocates at most {int.MaxValue} bytes, not {bytes}");
        }

        byte* pointer = (byte*)api.Alloc(SystemHeap, DefaultFlags, (int)bytes);
        if (pointer is null)
        {
            throw new InsufficientMemoryException($"rpcmem_alloc refuses {bytes} bytes");
        }

        int fileDescriptor = api.ToFileDescriptor(pointer);
        if (fileDescriptor < 0)
        {
            api.Free(pointer);
            throw new InvalidOperationException($"rpcmem_to_fd gives {fileDescriptor} for memory of rpcmem_alloc");
        }

        NativeMemory.Clear(pointer, (nuint)bytes);
        return new RpcMemAllocation(api, pointer, fileDescriptor);
    }

    // The descriptor belongs to rpcmem, which closes it.
    public override void Free() => _api.Free(Pointer);
}
