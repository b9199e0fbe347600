using System.Runtime.InteropServices;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>What one execution in flight works with: the tensors' addresses, native tensors, scratch, and step times.</summary>
internal sealed unsafe class Frame
{
    const nuint Alignment = 64;

    readonly MemoryObject?[] _held;
    int _heldCount;
    void* _block;

    internal Frame(long bytes, int mostHeld)
    {
        _held = new MemoryObject?[mostHeld];
        _block = NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
    }

    internal byte* Block => (byte*)_block;

    /// <summary>Address of each tensor by its slot.</summary>
    internal byte** Slots => (byte**)_block;

    /// <summary>Takes over one entry into registered memory; it is left with <see cref="LetGo"/>.</summary>
    internal void Hold(MemoryObject entered) => _held[_heldCount++] = entered;

    /// <summary>Leaves the registered memory that the execution used.</summary>
    internal void LetGo()
    {
        while (_heldCount > 0)
        {
            MemoryObject entered = _held[--_heldCount]!;
            _held[_heldCount] = null;
            entered.Exit();
        }
    }

    internal void Free()
    {
        NativeMemory.AlignedFree(_block);
        _block = null;
    }
}
