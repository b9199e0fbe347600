namespace ShadowAttn.Memory;

/// <summary>One allocation of some kind: where its bytes are, and how exactly these are given back.</summary>
internal abstract unsafe class Allocation
{
    /// <summary>The alignment that every kind has at least, in bytes.</summary>
    public const int Alignment = 64;

    protected Allocation(byte* pointer, int fileDescriptor = -1)
    {
        Pointer = pointer;
        FileDescriptor = fileDescriptor;
    }

    /// <summary>First byte for the user.</summary>
    public byte* Pointer { get; }

    /// <summary>Descriptor that others can map, or -1.</summary>
    public int FileDescriptor { get; }

    /// <summary>Gives the memory back. Called exactly once.</summary>
    public abstract void Free();
}
