namespace ShadowAttn.Memory;

/// <summary>
/// [guard page | slack | payload | guard page], or with the slack at the other end. The slack is filled with a pattern that is checked
/// when the memory is given back, so that overruns the pages cannot catch are reported as well.
/// </summary>
internal sealed unsafe class GuardedAllocation : Allocation
{
    private const byte SlackPattern = 0xA5;
    private readonly byte* _mapping;
    private readonly nint _mappingBytes;
    private readonly nint _bytes;

    private GuardedAllocation(byte* pointer, nint bytes, byte* mapping, nint mappingBytes)
        : base(pointer)
    {
        _bytes = bytes;
        _mapping = mapping;
        _mappingBytes = mappingBytes;
    }

    private byte* DataStart => _mapping + Environment.SystemPageSize;

    private byte* DataEnd => _mapping + _mappingBytes - Environment.SystemPageSize;

    public static GuardedAllocation Allocate(nint bytes, GuardPlacement placement, int alignment)
    {
        nint page = Environment.SystemPageSize;
        nint dataBytes = checked(bytes + page - 1) & -page;
        nint mappingBytes = checked(dataBytes + (2 * page));
        byte* mapping = Libc.Map(mappingBytes, Libc.ProtNone, Libc.MapPrivateAnonymous, -1, "guarded memory");
        byte* data = mapping + page;
        if (Libc.mprotect((nint)data, (nuint)dataBytes, Libc.ProtReadWrite) != 0)
        {
            string reason = Libc.LastError();
            Libc.Unmap(mapping, mappingBytes);
            throw new InsufficientMemoryException($"cannot make {dataBytes} bytes of guarded memory accessible: {reason}");
        }

        byte* pointer = placement == GuardPlacement.Before ? data : (byte*)((nint)(data + dataBytes - bytes) & -alignment);
        var allocation = new GuardedAllocation(pointer, bytes, mapping, mappingBytes);
        new Span<byte>(data, (int)(pointer - data)).Fill(SlackPattern);
        new Span<byte>(pointer + bytes, (int)(data + dataBytes - (pointer + bytes))).Fill(SlackPattern);
        return allocation;
    }

    public override void Free()
    {
        var before = new ReadOnlySpan<byte>(DataStart, (int)(Pointer - DataStart));
        var after = new ReadOnlySpan<byte>(Pointer + _bytes, (int)(DataEnd - (Pointer + _bytes)));
        int lastBefore = before.LastIndexOfAnyExcept(SlackPattern);
        int firstAfter = after.IndexOfAnyExcept(SlackPattern);
        string? damage = lastBefore >= 0 ? $"{before.Length - lastBefore} bytes before its start"
            : firstAfter >= 0 ? $"{firstAfter} bytes behind its end"
            : null;
        Libc.Unmap(_mapping, _mappingBytes);
        if (damage is not null)
        {
            throw new InvalidOperationException($"something wrote outside a guarded buffer of {_bytes} bytes, {damage}");
        }
    }
}
