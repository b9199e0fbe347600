using ShadowAttn.Memory;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>Memory registered with a context: the pages of a file descriptor, mapped here as well and used in place.</summary>
internal sealed unsafe class MemoryObject : QnnObject
{
    readonly UnmanagedBuffer _mapping;
    readonly ContextObject _context;
    readonly long _offset;

    internal MemoryObject(ContextObject context, UnmanagedBuffer mapping, long offset)
        : base(context.Instance, HandleKind.Memory)
    {
        _context = context;
        _mapping = mapping;
        _offset = offset;
    }

    internal ContextObject Context => _context;

    internal byte* Data => _mapping.Pointer + _offset;

    internal long Bytes => _mapping.ByteLength - _offset;

    protected override void OnClosed() => _context.Disown(this);

    protected override void Destroy() => _mapping.Dispose();
}
