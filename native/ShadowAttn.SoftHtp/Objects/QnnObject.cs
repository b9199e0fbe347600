namespace ShadowAttn.SoftHtp.Objects;

/// <summary>Kinds of things that a client holds by handle.</summary>
internal enum HandleKind
{
    Log = 1,
    Backend,
    Device,
    Context,
    Graph,
    Profile,
    Memory,
    Signal,
    Power,
    System,
    Count,
}

/// <summary>
/// Something that a client holds by handle. It lives until it is closed and the last call that works on it has left, so a free on
/// one thread never takes the ground from under another.
/// </summary>
internal abstract class QnnObject
{
    const int Closed = int.MinValue;

    int _users;

    protected QnnObject(SoftHtpInstance instance, HandleKind kind)
    {
        Instance = instance;
        Kind = kind;
    }

    internal SoftHtpInstance Instance { get; }

    internal HandleKind Kind { get; }

    /// <summary>Value that the client holds; never a canonical address and never used twice.</summary>
    internal nuint Handle { get; set; }

    internal bool IsClosed => Volatile.Read(ref _users) < 0;

    /// <summary>Joins the calls that work on this object; false once it is closed. Every true needs one <see cref="Exit"/>.</summary>
    internal bool TryEnter()
    {
        int users = Volatile.Read(ref _users);
        while (users >= 0)
        {
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }
            users = seen;
        }
        return false;
    }

    internal void Exit()
    {
        if (Interlocked.Decrement(ref _users) == Closed)
        {
            Finish();
        }
    }

    /// <summary>Makes the handle invalid; the object is destroyed when its last user has left. False when it was closed before.</summary>
    internal bool Close()
    {
        int before = Interlocked.Or(ref _users, Closed);
        if (before < 0)
        {
            return false;
        }
        HandleTable.Remove(this);
        OnClosed();
        if (before == 0)
        {
            Finish();
        }
        return true;
    }

    /// <summary>Gives back what an object owns that never got a handle.</summary>
    internal void Discard()
    {
        Interlocked.Or(ref _users, Closed);
        Destroy();
    }

    void Finish()
    {
        Destroy();
        Instance.CountHandle(Kind, -1);
    }

    /// <summary>Called once when the handle has become invalid: closes what belongs to this object.</summary>
    protected virtual void OnClosed()
    {
    }

    /// <summary>Called once when nobody works on this object any more: gives back what it owns.</summary>
    protected virtual void Destroy()
    {
    }
}
