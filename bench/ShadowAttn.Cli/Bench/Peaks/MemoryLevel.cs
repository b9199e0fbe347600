namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>A level of memory whose bandwidth is measured.</summary>
/// <param name="Name"><c>L1</c>, <c>L2</c>, <c>L3</c> or <c>DRAM</c>.</param>
/// <param name="ProbeBytes">Bytes of each thread that are read, or read and written, to measure it.</param>
/// <param name="HoldsBytes">The largest working set of each thread that counts as lying in it.</param>
public sealed record MemoryLevel(string Name, long ProbeBytes, long HoldsBytes)
{
    private const long LeastDramBytes = 64 << 20;
    private const long MostDramBytes = 512 << 20;

    /// <summary>The levels of a machine when so many threads run at once.</summary>
    /// <param name="caches">The caches.</param>
    /// <param name="threads">Threads.</param>
    public static IReadOnlyList<MemoryLevel> Of(CacheSizes caches, int threads)
    {
        // Half a cache is read, so that it stays in it whatever else runs; what takes up to nine tenths of it counts as being in it.
        List<MemoryLevel> levels =
        [
            new("L1", Blocks(caches.L1Bytes / 2), caches.L1Bytes * 9 / 10),
            new("L2", Blocks(caches.L2Bytes / 2), caches.L2Bytes * 9 / 10),
        ];
        long third = caches.L3Bytes / Math.Clamp(threads, 1, Math.Max(1, caches.L3Shared));
        if (third >= 2 * caches.L2Bytes)
        {
            levels.Add(new MemoryLevel("L3", Blocks(third / 2), third * 9 / 10));
        }

        long dram = Math.Clamp(4 * Math.Max(caches.L3Bytes, caches.L2Bytes), LeastDramBytes, MostDramBytes);
        levels.Add(new MemoryLevel("DRAM", Blocks(dram / threads), long.MaxValue));
        return levels;
    }

    /// <summary>The level that a working set of each thread lies in.</summary>
    public static MemoryLevel Find(IReadOnlyList<MemoryLevel> levels, double bytes) => levels.First(level => bytes <= level.HoldsBytes);

    // Twice the block: a copy's source and destination are a multiple each.
    private static long Blocks(long bytes) => Math.Max(1, bytes / (2 * PeakKernels.Block)) * 2 * PeakKernels.Block;
}
