namespace ShadowAttn.Attention;

/// <summary>Counts what is left of each query head, and says when a head's output is complete.</summary>
internal sealed class HeadProgress(int heads)
{
    private readonly int[] left = new int[heads];

    /// <summary>Called with a head whose output is complete, on the thread that completed it; null for no one.</summary>
    public Action<int>? Completed { get; private set; }

    /// <summary>Whether heads should be computed one after the other.</summary>
    public bool IsWatched => Completed is not null;

    /// <summary>Starts a call.</summary>
    public void Restart(int queries, Action<int>? completed)
    {
        Completed = completed;
        if (completed is not null)
        {
            left.AsSpan().Fill(queries);
        }
    }

    /// <summary>Some rows of a head are done.</summary>
    public void Done(int head, int rows)
    {
        if (Completed is { } completed && Interlocked.Add(ref left[head], -rows) == 0)
        {
            completed(head);
        }
    }
}
