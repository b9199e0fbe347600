namespace ShadowAttn.Native;

/// <summary>What a handle stands for: ends when the handle has been freed and the last call or object that uses it is done.</summary>
internal abstract class SharedObject : IDisposable
{
    private int references = 1;

    /// <summary>What messages call it.</summary>
    public abstract string Kind { get; }

    /// <summary>One more user, unless it has ended already.</summary>
    public bool TryAddReference()
    {
        int seen = Volatile.Read(ref references);
        while (seen != 0)
        {
            int before = Interlocked.CompareExchange(ref references, seen + 1, seen);
            if (before == seen)
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    /// <summary>One user less; the last one ends it.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref references) == 0)
        {
            Destroy();
        }
    }

    /// <summary>The same as <see cref="Release"/>.</summary>
    void IDisposable.Dispose() => Release();

    /// <summary>Frees what it has; called once.</summary>
    protected abstract void Destroy();
}

/// <summary>A reference for the time of a call.</summary>
/// <typeparam name="T">What is referred to.</typeparam>
internal readonly ref struct Hold<T>(T target)
    where T : SharedObject
{
    public T Target { get; } = target;

    public void Dispose() => Target.Release();
}
