using System.Runtime.ExceptionServices;

namespace ShadowAttn.Attention;

/// <summary>A job whose <see cref="Run"/> is called once on every worker at the same time.</summary>
internal interface IWorkerJob
{
    /// <summary>The worker's part of the job; usually a loop that takes items from a shared counter.</summary>
    /// <param name="worker">0 for the caller's thread, up to the number of threads - 1.</param>
    void Run(int worker);
}

/// <summary>
/// A fixed set of threads that run jobs together with the caller. Starting and joining a job allocates nothing; idle threads spin briefly,
/// then sleep.
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    private const int SpinIterations = 60;

    private readonly Thread[] threads;
    private readonly IAttentionWorkers? external;
    private readonly Action<int>? execute;
    private readonly object gate = new();
    private IWorkerJob? job;
    private volatile int generation;
    private int running;
    private Exception? failure;
    private bool stopping;

    public WorkerPool(int threadCount)
    {
        Threads = threadCount;
        threads = new Thread[threadCount - 1];
        for (int i = 0; i < threads.Length; i++)
        {
            int worker = i + 1;
            threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"shadowattn worker {worker}" };
            threads[i].Start();
        }
    }

    /// <summary>Runs jobs on somebody else's threads; disposing leaves them alone.</summary>
    public WorkerPool(IAttentionWorkers workers)
    {
        external = workers;
        Threads = workers.Threads;
        threads = [];
        execute = worker => Execute(job!, worker);
    }

    /// <summary>Number of workers, the caller's thread included.</summary>
    public int Threads { get; }

    /// <summary>Runs a job on all workers and returns when every one has finished; rethrows the first exception.</summary>
    public void Run(IWorkerJob next)
    {
        if (external is not null)
        {
            RunExternally(external, next);
            return;
        }

        if (threads.Length == 0)
        {
            next.Run(0);
            return;
        }

        lock (gate)
        {
            job = next;
            failure = null;
            running = threads.Length;
            generation++;
            Monitor.PulseAll(gate);
        }

        Execute(next, 0);
        SpinWait spin = default;
        while (Volatile.Read(ref running) != 0 && spin.Count < SpinIterations)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        lock (gate)
        {
            while (running != 0)
            {
                Monitor.Wait(gate);
            }

            job = null;
        }

        if (failure is { } first)
        {
            ExceptionDispatchInfo.Throw(first);
        }
    }

    private void RunExternally(IAttentionWorkers workers, IWorkerJob next)
    {
        job = next;
        failure = null;
        workers.Run(execute!);
        job = null;
        if (failure is { } first)
        {
            ExceptionDispatchInfo.Throw(first);
        }
    }

    /// <summary>Ends the threads; no job may be running.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.PulseAll(gate);
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            SpinWait spin = default;
            while (generation == seen && !Volatile.Read(ref stopping) && spin.Count < SpinIterations)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }

            IWorkerJob next;
            lock (gate)
            {
                while (generation == seen && !stopping)
                {
                    Monitor.Wait(gate);
                }

                if (stopping)
                {
                    return;
                }

                seen = generation;
                next = job!;
            }

            Execute(next, worker);
            if (Interlocked.Decrement(ref running) == 0)
            {
                lock (gate)
                {
                    Monitor.PulseAll(gate);
                }
            }
        }
    }

    private void Execute(IWorkerJob next, int worker)
    {
        try
        {
            next.Run(worker);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref failure, e, null);
        }
    }
}
