using System.Diagnostics.CodeAnalysis;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>
/// Handles of the whole process. A handle is <c>01 | generation (38 bits) | index (24 bits)</c>: bit 62 without bit 63 makes it an
/// address that no user-space pointer can have, and the generation, which starts anywhere, makes freed and invented handles miss.
/// A look-up takes no lock and allocates nothing; that a handle has the right kind is the caller's type argument.
/// </summary>
internal static unsafe class HandleTable
{
    const int IndexBits = 24;
    const ulong IndexMask = (1UL << IndexBits) - 1;
    const ulong GenerationMask = (1UL << 38) - 1;
    const ulong Mark = 1UL << 62;

    static readonly Lock Gate = new();
    static readonly Stack<int> Free = new();
    static QnnObject?[] _slots = new QnnObject?[64];
    static int _used = 1;
    static ulong _generation = (ulong)Random.Shared.NextInt64() & GenerationMask;

    /// <summary>Gives <paramref name="added"/> its handle.</summary>
    internal static void* Add(QnnObject added)
    {
        lock (Gate)
        {
            if (!Free.TryPop(out int index))
            {
                if (_used > (int)IndexMask)
                {
                    throw new InvalidOperationException("No handle is left.");
                }
                index = _used++;
                if (index >= _slots.Length)
                {
                    var grown = new QnnObject?[_slots.Length * 2];
                    _slots.CopyTo(grown, 0);
                    Volatile.Write(ref _slots, grown);
                }
            }
            _generation = (_generation + 1) & GenerationMask;
            added.Handle = (nuint)(Mark | (_generation << IndexBits) | (uint)index);
            added.Instance.CountHandle(added.Kind, 1);
            Volatile.Write(ref _slots[index], added);
            return (void*)added.Handle;
        }
    }

    internal static void Remove(QnnObject removed)
    {
        lock (Gate)
        {
            int index = (int)(removed.Handle & IndexMask);
            _slots[index] = null;
            Free.Push(index);
        }
    }

    /// <summary>The object behind <paramref name="handle"/>, entered; null when the handle is of no living <typeparamref name="T"/>.</summary>
    internal static bool TryEnter<T>(void* handle, [NotNullWhen(true)] out T? found)
        where T : QnnObject
    {
        QnnObject?[] slots = Volatile.Read(ref _slots);
        ulong index = (nuint)handle & IndexMask;
        if (index < (uint)slots.Length
            && Volatile.Read(ref slots[index]) is T candidate
            && candidate.Handle == (nuint)handle
            && candidate.TryEnter())
        {
            found = candidate;
            return true;
        }
        found = null;
        return false;
    }

    /// <summary>The living <typeparamref name="T"/> at a place in the table, entered.</summary>
    internal static bool TryEnter<T>(int index, [NotNullWhen(true)] out T? found)
        where T : QnnObject
    {
        QnnObject?[] slots = Volatile.Read(ref _slots);
        found = (uint)index < (uint)slots.Length && Volatile.Read(ref slots[index]) is T candidate && candidate.TryEnter() ? candidate : null;
        return found is not null;
    }

    /// <summary>Place in the table of an object that has a handle.</summary>
    internal static ulong IndexOf(QnnObject held) => held.Handle & IndexMask;

    internal static ulong GenerationOf(QnnObject held) => (held.Handle >> IndexBits) & GenerationMask;

    /// <summary>Every living object of <paramref name="instance"/>.</summary>
    internal static List<QnnObject> Of(SoftHtpInstance instance)
    {
        lock (Gate)
        {
            var found = new List<QnnObject>();
            foreach (QnnObject? candidate in _slots)
            {
                if (candidate is not null && candidate.Instance == instance)
                {
                    found.Add(candidate);
                }
            }
            return found;
        }
    }
}
