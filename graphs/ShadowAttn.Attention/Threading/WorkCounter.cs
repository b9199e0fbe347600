namespace ShadowAttn.Attention;

/// <summary>Hands out the numbers of the items of a job to the workers, each number once; who is free takes the next one. A mutable struct: a field, not a copy.</summary>
internal struct WorkCounter
{
    private int taken;

    /// <summary>Begins at 0 again; no worker may be at work.</summary>
    public void Restart() => taken = 0;

    /// <summary>The next number; at or above the number of items there is nothing left to do.</summary>
    public int Next() => Interlocked.Increment(ref taken) - 1;
}
