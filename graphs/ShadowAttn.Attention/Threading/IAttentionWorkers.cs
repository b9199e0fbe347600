namespace ShadowAttn.Attention;

/// <summary>
/// The CPU threads that operators work with: <see cref="AttentionWorkers"/>, or a host's own pool behind this interface. One operator's calls use it one at
/// a time; whoever shares it among operators serialises <see cref="Run"/> or refuses.
/// </summary>
public interface IAttentionWorkers
{
    /// <summary>Number of workers, 1 to <see cref="AttentionOptions.MaxThreads"/>; does not change.</summary>
    int Threads { get; }

    /// <summary>
    /// Calls <paramref name="work"/> once with every number from 0 to <see cref="Threads"/> - 1, on any threads, at the same time or one after the other, and
    /// returns when all calls have. The work does not throw; what one call leaves another takes, so all need not start.
    /// </summary>
    /// <param name="work">A worker's part; its argument is the worker's number, which no two running calls share.</param>
    void Run(Action<int> work);
}

/// <summary>A fixed set of threads that any number of operators can share, such as those of all layers of a model.</summary>
public sealed class AttentionWorkers : IAttentionWorkers, IDisposable
{
    private readonly WorkerPool pool;
    private readonly DelegateJob job = new();
    private readonly object gate = new();

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">How many workers, the caller's thread included; 0 for one per core.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or above <see cref="AttentionOptions.MaxThreads"/>.</exception>
    public AttentionWorkers(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, AttentionOptions.MaxThreads);
        pool = new WorkerPool(threads == 0 ? Math.Min(Environment.ProcessorCount, AttentionOptions.MaxThreads) : threads);
    }

    /// <inheritdoc/>
    public int Threads => pool.Threads;

    /// <inheritdoc/>
    /// <remarks>Operators that share the threads wait for each other.</remarks>
    public void Run(Action<int> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        lock (gate)
        {
            job.Work = work;
            pool.Run(job);
        }
    }

    /// <summary>Ends the threads; no operator may be using them.</summary>
    public void Dispose() => pool.Dispose();

    private sealed class DelegateJob : IWorkerJob
    {
        public Action<int> Work { get; set; } = _ => { };

        public void Run(int worker) => Work(worker);
    }
}
