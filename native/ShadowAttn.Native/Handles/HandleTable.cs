namespace ShadowAttn.Native;

/// <summary>
/// Which object a handle stands for. A handle is a number: the slot in its low 20 bits, above them 44 bits that no two handles of the process
/// share. Looking one up takes no lock; a handle that was freed, or never was, is recognised whatever it is.
/// </summary>
internal static class HandleTable
{
    private const int SlotBits = 20;
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;
    private const long SerialMask = (1L << (64 - SlotBits)) - 1;

    // Odd, so different serials stay different; and neighbours differ in most bits.
    private const long Scatter = 0x9E3779B97F5;

    private static readonly Slot[]?[] Chunks = new Slot[]?[1 << (SlotBits - ChunkBits)];
    private static readonly Lock Gate = new();
    private static long s_serial = Random.Shared.Next();
    private static int s_freeSlot = -1;
    private static int s_slots;
    private static int s_count;

    /// <summary>Handles that have not been freed.</summary>
    public static int Count => Volatile.Read(ref s_count);

    /// <summary>A handle for an object, whose first reference becomes the handle's; it is released if this fails.</summary>
    /// <exception cref="SaException">There are too many handles.</exception>
    public static nint Add(SharedObject target)
    {
        lock (Gate)
        {
            int index = s_freeSlot;
            if (index >= 0)
            {
                s_freeSlot = At(index).NextFree;
            }
            else if (s_slots < 1 << SlotBits)
            {
                index = s_slots++;
                Chunks[index >> ChunkBits] ??= new Slot[ChunkSize];
            }

            if (index >= 0)
            {
                ref Slot slot = ref At(index);
                long handle;
                do
                {
                    handle = (((++s_serial * Scatter) & SerialMask) << SlotBits) | (long)index;
                }
                while (handle == 0);

                slot.Target = target;
                Volatile.Write(ref slot.Handle, handle);
                Interlocked.Increment(ref s_count);
                return (nint)handle;
            }
        }

        target.Release();
        throw new SaException(SaStatus.Limit, $"there are {1 << SlotBits} handles already; free those that are not needed");
    }

    /// <summary>The object of a handle, held until the result is disposed.</summary>
    /// <exception cref="SaException">The handle is null, freed, of another kind or none at all.</exception>
    public static Hold<T> Acquire<T>(nint handle, string name)
        where T : SharedObject
    {
        SharedObject target = Find<T>(handle, name);
        if (!target.TryAddReference())
        {
            throw Stale(name);
        }

        // The slot may have changed between the two reads; its handle never comes back.
        if (Volatile.Read(ref At((int)(handle & ((1 << SlotBits) - 1))).Handle) != handle)
        {
            target.Release();
            throw Stale(name);
        }

        return new Hold<T>((T)target);
    }

    /// <summary>Ends a handle; the object ends with its last use. Null does nothing.</summary>
    /// <exception cref="SaException">The handle is freed, of another kind or none at all.</exception>
    public static void Free<T>(nint handle, string name)
        where T : SharedObject
    {
        if (handle == 0)
        {
            return;
        }

        SharedObject target = Find<T>(handle, name);
        int index = (int)(handle & ((1 << SlotBits) - 1));
        ref Slot slot = ref At(index);
        if (Interlocked.CompareExchange(ref slot.Handle, 0, handle) != handle)
        {
            throw Stale(name);
        }

        lock (Gate)
        {
            slot.Target = null;
            slot.NextFree = s_freeSlot;
            s_freeSlot = index;
        }

        Interlocked.Decrement(ref s_count);
        target.Release();
    }

    private static SharedObject Find<T>(nint handle, string name)
        where T : SharedObject
    {
        if (handle == 0)
        {
            throw new SaException(SaStatus.Handle, $"{name} is null");
        }

        int index = (int)(handle & ((1 << SlotBits) - 1));
        if (Volatile.Read(ref Chunks[index >> ChunkBits]) is not { } chunk)
        {
            throw Stale(name);
        }

        ref Slot slot = ref chunk[index & (ChunkSize - 1)];
        SharedObject? target = Volatile.Read(ref slot.Handle) == handle ? Volatile.Read(ref slot.Target) : null;
        if (target is null || Volatile.Read(ref slot.Handle) != handle)
        {
            throw Stale(name);
        }

        return target is T ? target : throw new SaException(SaStatus.Handle, $"{name} is the handle of a {target.Kind}");
    }

    private static ref Slot At(int index) => ref Chunks[index >> ChunkBits]![index & (ChunkSize - 1)];

    private static SaException Stale(string name) => new(SaStatus.Handle, $"{name} is no handle, or one that has been freed");

    private struct Slot
    {
        public long Handle;
        public SharedObject? Target;
        public int NextFree;
    }
}
