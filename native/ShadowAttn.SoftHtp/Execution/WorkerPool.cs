using System.Runtime.CompilerServices;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>
/// A few threads that share out the parts of one job at a time. The caller works too; when the pool is busy with another caller's
/// job, the caller does all of its own, so nobody ever waits for a stranger. A run allocates nothing. Threads start with the first job.
/// </summary>
internal sealed unsafe class WorkerPool
{
    // How long a thread looks for work before it lies down: about the gap between two graph executions of a running pipeline.
    const int SpinRounds = 400;

    readonly Thread[] _threads;
    readonly object _bell = new();
    int _references = 1;
    int _busy;
    bool _started;
    volatile bool _stop;
    volatile int _generation;
    int _asleep;

    delegate*<void*, int, void> _work;
    void* _state;
    int _done;

    // Number of parts (high half) and next part (low half) of the running job. One word, so that a thread that comes late can only
    // draw a part of a job whose work and state are in place, or nothing.
    long _ticket;

    internal WorkerPool(int threads) => _threads = new Thread[Math.Max(threads - 1, 0)];

    /// <summary>Threads that a job can use, the caller's included.</summary>
    internal int Width => _threads.Length + 1;

    /// <summary>Keeps the threads for one more owner.</summary>
    internal void Retain() => Interlocked.Increment(ref _references);

    /// <summary>Gives up one ownership; with the last one the threads end.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
        {
            return;
        }
        _stop = true;
        lock (_bell)
        {
            Monitor.PulseAll(_bell);
        }
        if (_started)
        {
            foreach (Thread thread in _threads)
            {
                thread.Join();
            }
        }
    }

    /// <summary>Calls <paramref name="work"/> with every part from 0 to <paramref name="parts"/> - 1; returns when all are done.</summary>
    internal void Run(int parts, delegate*<void*, int, void> work, void* state)
    {
        if (parts <= 1 || _threads.Length == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (int part = 0; part < parts; part++)
            {
                work(state, part);
            }
            return;
        }
        if (!_started)
        {
            Start();
        }
        _work = work;
        _state = state;
        Volatile.Write(ref _done, 0);
        Interlocked.Exchange(ref _ticket, (long)parts << 32);
        Interlocked.Increment(ref _generation);
        if (Volatile.Read(ref _asleep) != 0)
        {
            lock (_bell)
            {
                Monitor.PulseAll(_bell);
            }
        }
        TakeParts();
        SpinWait wait = default;
        while (Volatile.Read(ref _done) != parts)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
        Volatile.Write(ref _busy, 0);
    }

    void Start()
    {
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work, 256 * 1024) { IsBackground = true, Name = $"SoftHtp {i + 1}" };
            _threads[i].Start();
        }
        _started = true;
    }

    void Work()
    {
        int seen = 0;
        while (true)
        {
            int round = 0;
            while (_generation == seen && !_stop && round++ < SpinRounds)
            {
                Thread.SpinWait(20);
            }
            if (_generation == seen && !_stop)
            {
                LieDown(seen);
            }
            if (_stop)
            {
                return;
            }
            if (_generation != seen)
            {
                seen = _generation;
                TakeParts();
            }
        }
    }

    void LieDown(int seen)
    {
        lock (_bell)
        {
            Interlocked.Increment(ref _asleep);
            // The generation is read after _asleep is raised, and Run reads _asleep after it raised the generation: one sees the other.
            while (_generation == seen && !_stop)
            {
                Monitor.Wait(_bell);
            }
            Interlocked.Decrement(ref _asleep);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    void TakeParts()
    {
        while (true)
        {
            long ticket = Interlocked.Increment(ref _ticket) - 1;
            if ((int)ticket >= (int)(ticket >> 32))
            {
                return;
            }
            _work(_state, (int)ticket);
            Interlocked.Increment(ref _done);
        }
    }
}
