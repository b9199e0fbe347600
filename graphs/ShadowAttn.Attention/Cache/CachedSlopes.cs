using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The first-order tail's running sums of a cache, Σ (k - mean)vᵀ and Σ (k - mean): at the newest position that was needed, and at every
/// 1,024th that was passed, for what comes after a truncation. Also the newest finished C, which the steps of a decode share.
/// </summary>
internal sealed unsafe class CachedSlopes : IDisposable
{
    private const int Coarse = 1024;

    private readonly int dim;
    private readonly nint stride;
    private readonly int slots;
    private readonly UnmanagedBuffer sums;
    private readonly UnmanagedBuffer finished;
    private readonly bool[] valid;
    private int newest;

    public CachedSlopes(int kvHeads, int capacity, int dim)
    {
        this.dim = dim;
        stride = ((nint)dim * dim) + dim;
        slots = (capacity / Coarse) + 1;
        valid = new bool[slots];
        sums = UnmanagedBuffer.Allocate(checked(kvHeads * slots * stride * sizeof(float)));
        finished = UnmanagedBuffer.Allocate((nint)kvHeads * dim * dim * sizeof(float));
    }

    /// <summary>The position of <see cref="Finished"/>; 0 for none.</summary>
    public int FinishedPosition { get; private set; }

    /// <summary>C at <see cref="FinishedPosition"/>, [dim, dim].</summary>
    public float* Finished(int kvHead) => (float*)finished.Pointer + ((nint)kvHead * dim * dim);

    /// <summary>The largest position with running sums that is not beyond <paramref name="position"/>; 0 when there is none.</summary>
    public int Base(int position)
    {
        if (newest > 0 && newest <= position)
        {
            return newest;
        }

        int slot = position / Coarse;
        while (slot > 0 && !valid[slot])
        {
            slot--;
        }

        return slot * Coarse;
    }

    /// <summary>The sums [dim, dim] and behind them [dim] at a position that <see cref="Base"/> gave.</summary>
    public float* Sums(int kvHead, int position) => Slot(kvHead, position == newest ? 0 : position / Coarse);

    /// <summary>Whether sums at a position are to be stored with <see cref="Coarsely"/>.</summary>
    public bool IsCoarse(int position) => position > 0 && position % Coarse == 0 && position / Coarse < slots;

    /// <summary>Where the sums at a coarse position go.</summary>
    public float* Coarsely(int kvHead, int position) => Slot(kvHead, position / Coarse);

    /// <summary>Where the newest sums go; in use as a base while slots are added, free when they are finished.</summary>
    public float* Newest(int kvHead) => Slot(kvHead, 0);

    /// <summary>The sums of a call have been stored: the newest of all KV heads at <paramref name="last"/>, coarse ones from <paramref name="first"/> on.</summary>
    public void Finish(int first, int last)
    {
        newest = last;
        FinishedPosition = last;
        for (int slot = (first + Coarse - 1) / Coarse; slot < slots && slot * Coarse <= last; slot++)
        {
            valid[slot] |= slot > 0 && TailBlocks.Position(slot * Coarse) == slot * Coarse;
        }
    }

    /// <summary>Forgets what keys from <paramref name="count"/> on had part in.</summary>
    public void Truncate(int count)
    {
        newest = newest > count ? 0 : newest;
        FinishedPosition = FinishedPosition > count ? 0 : FinishedPosition;
        for (int slot = (count / Coarse) + 1; slot < slots; slot++)
        {
            valid[slot] = false;
        }
    }

    /// <summary>The newest sums may be half written.</summary>
    public void ForgetNewest()
    {
        newest = 0;
        FinishedPosition = 0;
    }

    /// <summary>Forgets everything: the mean that the sums are relative to changes.</summary>
    public void Clear() => Truncate(0);

    public void Dispose()
    {
        sums.Dispose();
        finished.Dispose();
    }

    private float* Slot(int kvHead, int slot) => (float*)sums.Pointer + ((((nint)kvHead * slots) + slot) * stride);
}
