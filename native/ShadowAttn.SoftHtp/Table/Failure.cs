using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>What a client gets for an exception: none may leave an entry point.</summary>
internal static class Failure
{
    internal static ulong Of(Exception e) => e is OutOfMemoryException ? Status.MemAlloc : Status.General;
}

/// <summary>Leaves an entered object at the end of a block.</summary>
internal readonly ref struct Leave(QnnObject entered)
{
    public void Dispose() => entered.Exit();
}
