using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Kernels;
using ShadowAttn.Tests.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public unsafe class PeakTests
{
    private const int Bytes = 2 * PeakKernels.Block;

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(PeakKernels.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Copies_copy_and_reads_read_everything(InstructionSet isa)
    {
        PeakKernel kernel = KernelVariants.Kernel(PeakKernels.Kernels, isa);
        using ShadowAttn.Memory.UnmanagedBuffer source = ShadowAttn.Memory.UnmanagedBuffer.Allocate(Bytes);
        using ShadowAttn.Memory.UnmanagedBuffer copy = ShadowAttn.Memory.UnmanagedBuffer.Allocate(Bytes);
        new Random(3).NextBytes(source.AsSpan<byte>());

        kernel.Copy(source.Pointer, copy.Pointer, Bytes);
        Assert.True(source.AsSpan<byte>().SequenceEqual(copy.AsSpan<byte>()));
        copy.AsSpan<byte>().Clear();
        kernel.Stream(source.Pointer, copy.Pointer, Bytes);
        Assert.True(source.AsSpan<byte>().SequenceEqual(copy.AsSpan<byte>()));
        Assert.NotEqual(0, kernel.Read(source.Pointer, Bytes));
        source.AsSpan<byte>().Clear();
        Assert.Equal(0, kernel.Read(source.Pointer, Bytes));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Chains_depend_on_the_number_of_iterations(InstructionSet isa)
    {
        PeakKernel kernel = KernelVariants.Kernel(PeakKernels.Kernels, isa);

        Assert.NotEqual(kernel.Fma(1), kernel.Fma(2));
        Assert.NotEqual(kernel.Int8(1), kernel.Int8(2));
        Assert.True(float.IsFinite(kernel.Fma(100_000)));
        Assert.InRange(kernel.FmaMacs, 1, kernel.Int8Macs);
    }

    [Fact]
    public void Caches_are_read_as_linux_writes_them()
    {
        using var folder = new TemporaryFolder();
        Cache(folder, 0, "1", "Data", "48K", "0");
        Cache(folder, 1, "1", "Instruction", "32K", "0");
        Cache(folder, 2, "2", "Unified", "1024K", "0-1");
        Cache(folder, 3, "3", "Unified", "32M", "0-3,8-11");

        Assert.Equal(new CacheSizes(48 << 10, 1 << 20, 32 << 20, 8, folder.Path), CacheSizes.Read(folder.Path));
        Assert.Null(CacheSizes.Read(Path.Combine(folder.Path, "none")));
        File.WriteAllText(Path.Combine(folder.Path, "index2", "size"), "much");
        Assert.Null(CacheSizes.Read(folder.Path));
    }

    [Fact]
    public void Levels_share_the_third_cache_among_threads()
    {
        var caches = new CacheSizes(48 << 10, 1 << 20, 32 << 20, 2, "test");

        IReadOnlyList<MemoryLevel> one = MemoryLevel.Of(caches, 1);
        IReadOnlyList<MemoryLevel> two = MemoryLevel.Of(caches, 2);

        Assert.Equal(["L1", "L2", "L3", "DRAM"], one.Select(l => l.Name));
        Assert.Equal((24 << 10, 512 << 10, 16 << 20), (one[0].ProbeBytes, one[1].ProbeBytes, one[2].ProbeBytes));
        Assert.Equal(one[2].ProbeBytes / 2, two[2].ProbeBytes);
        Assert.Equal(one[3].ProbeBytes, 2 * two[3].ProbeBytes);
        Assert.All(one, l => Assert.Equal(0, l.ProbeBytes % (2 * PeakKernels.Block)));
        Assert.Equal("L1", MemoryLevel.Find(one, 40 << 10).Name);
        Assert.Equal("L2", MemoryLevel.Find(one, 48 << 10).Name);
        Assert.Equal("DRAM", MemoryLevel.Find(one, 32 << 20).Name);
        Assert.Equal(["L1", "L2", "DRAM"], MemoryLevel.Of(caches with { L3Bytes = 0 }, 1).Select(l => l.Name));
    }

    private static void Cache(TemporaryFolder folder, int index, string level, string type, string size, string shared)
    {
        string path = Directory.CreateDirectory(Path.Combine(folder.Path, $"index{index}")).FullName;
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)[("level", level), ("type", type), ("size", size), ("shared_cpu_list", shared)])
        {
            File.WriteAllText(Path.Combine(path, name), value + "\n");
        }
    }
}
