using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void EveryWorkerRunsOncePerJob(int threads)
    {
        using var pool = new WorkerPool(threads);
        var job = new CountingJob(threads);
        for (int i = 1; i <= 2000; i++)
        {
            pool.Run(job);
            Assert.All(job.Runs, count => Assert.Equal(i, count));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void AnExceptionReachesTheCallerAndThePoolGoesOn(int thrower)
    {
        using var pool = new WorkerPool(3);
        var failing = new FailingJob(thrower);
        Assert.Equal("on purpose", Assert.Throws<InvalidOperationException>(() => pool.Run(failing)).Message);
        var job = new CountingJob(3);
        pool.Run(job);
        Assert.All(job.Runs, count => Assert.Equal(1, count));
    }

    private sealed class CountingJob(int threads) : IWorkerJob
    {
        public int[] Runs { get; } = new int[threads];

        public void Run(int worker) => Runs[worker]++;
    }

    private sealed class FailingJob(int thrower) : IWorkerJob
    {
        public void Run(int worker)
        {
            if (worker == thrower)
            {
                throw new InvalidOperationException("on purpose");
            }
        }
    }
}
