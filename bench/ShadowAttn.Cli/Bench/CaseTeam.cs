using System.Diagnostics;

namespace ShadowAttn.Cli.Bench;

/// <summary>Threads that run cases at once, started together by spinning and timed from the last start to the last end.</summary>
internal sealed class CaseTeam : IDisposable
{
    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _wake;
    private readonly SemaphoreSlim _done = new(0);
    private readonly long[] _starts;
    private readonly long[] _ends;
    private readonly double[] _excluded;
    private IReadOnlyList<BenchCase> _cases = [];
    private Exception? _failure;
    private long _calls;
    private int _arrived;
    private bool _stopping;

    public CaseTeam(int threads)
    {
        _starts = new long[threads];
        _ends = new long[threads];
        _excluded = new double[threads];
        _wake = [.. Enumerable.Range(0, threads - 1).Select(_ => new SemaphoreSlim(0))];
        _threads = [.. Enumerable.Range(1, threads - 1).Select(index => new Thread(() => Work(index)) { IsBackground = true, Name = $"bench {index}" })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    /// <summary>Runs each case on a thread of its own, so many calls each.</summary>
    /// <param name="cases">At most as many as threads.</param>
    /// <param name="calls">Calls of each.</param>
    /// <returns>Nanoseconds of a call of all cases at once.</returns>
    public double Run(IReadOnlyList<BenchCase> cases, long calls)
    {
        _cases = cases;
        _calls = calls;
        _arrived = 0;
        for (int i = 1; i < cases.Count; i++)
        {
            _wake[i - 1].Release();
        }

        RunCase(0);
        for (int i = 1; i < cases.Count; i++)
        {
            _done.Wait();
        }

        if (_failure is { } failure)
        {
            _failure = null;
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        long start = _starts.AsSpan(0, cases.Count).ToArray().Max();
        long end = _ends.AsSpan(0, cases.Count).ToArray().Max();
        double ns = (end - start) * 1e9 / Stopwatch.Frequency;
        return Math.Max(0, ns - _excluded.AsSpan(0, cases.Count).ToArray().Max()) / calls;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        foreach (SemaphoreSlim wake in _wake)
        {
            wake.Release();
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _done.Dispose();
        Array.ForEach(_wake, wake => wake.Dispose());
    }

    private void Work(int index)
    {
        while (true)
        {
            _wake[index - 1].Wait();
            if (_stopping)
            {
                return;
            }

            RunCase(index);
            _done.Release();
        }
    }

    private void RunCase(int index)
    {
        BenchCase benchmark = _cases[index];
        Action run = benchmark.Run;
        Func<double>? excluded = benchmark.ExcludedNs;
        double excludedNs = 0;
        long calls = _calls;
        Interlocked.Increment(ref _arrived);
        var spin = default(SpinWait);
        while (Volatile.Read(ref _arrived) < _cases.Count)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        _starts[index] = Stopwatch.GetTimestamp();
        try
        {
            for (long i = 0; i < calls; i++)
            {
                run();
                if (excluded is not null)
                {
                    excludedNs += excluded();
                }
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }

        _ends[index] = Stopwatch.GetTimestamp();
        _excluded[index] = excludedNs;
    }
}
