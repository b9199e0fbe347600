using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Bench.Suites;

/// <summary>
/// The benchmarks of one operator: a method per function of its kernel, run for every variant that the machine has and every shape. Numbers are
/// normally distributed and the same in every run; buffers are aligned to 64 bytes.
/// </summary>
public abstract unsafe class OperatorSuite : IDisposable
{
    private readonly List<UnmanagedBuffer> buffers = [];
    private Random random = new(1);

    /// <summary>The variant under test.</summary>
    [ParamsSource(nameof(Variants))]
    public InstructionSet Isa { get; set; }

    /// <summary>The operator's name, as its kernel table has it.</summary>
    public abstract string Operator { get; }

    /// <summary>The variants that this machine can run.</summary>
    public abstract IEnumerable<InstructionSet> Variants { get; }

    /// <summary>Fills the buffers for the current parameters.</summary>
    [GlobalSetup]
    public void Setup()
    {
        random = new Random(1);
        Prepare();
    }

    /// <summary>Frees the buffers.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (UnmanagedBuffer buffer in buffers)
        {
            buffer.Dispose();
        }

        buffers.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cleanup();
        GC.SuppressFinalize(this);
    }

    /// <summary>Allocates and fills what the benchmarks of this suite read and write.</summary>
    protected abstract void Prepare();

    /// <summary>The instruction sets of a table's variants.</summary>
    protected static IEnumerable<InstructionSet> SetsOf<T>(KernelTable<T> table)
        where T : struct => table.Supported.Select(v => v.InstructionSet);

    /// <summary>The kernel of the variant under test.</summary>
    protected T KernelOf<T>(KernelTable<T> table)
        where T : struct => table.Supported.Single(v => v.InstructionSet == Isa).Kernel;

    /// <summary>Zeroed memory.</summary>
    protected T* Allocate<T>(long count)
        where T : unmanaged
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(Math.Max(1, count) * sizeof(T));
        buffers.Add(buffer);
        NativeMemory.Clear(buffer.Pointer, (nuint)buffer.ByteLength);
        return (T*)buffer.Pointer;
    }

    /// <summary>Normally distributed numbers.</summary>
    protected float* Floats(long count, float deviation = 1)
    {
        float* x = Allocate<float>(count);
        for (long i = 0; i < count; i++)
        {
            x[i] = deviation * NextNormal();
        }

        return x;
    }

    /// <summary>Normally distributed numbers, rounded and clamped to ±127.</summary>
    protected sbyte* Int8(long count, float deviation)
    {
        sbyte* x = Allocate<sbyte>(count);
        for (long i = 0; i < count; i++)
        {
            x[i] = (sbyte)Math.Clamp(MathF.Round(deviation * NextNormal()), -127, 127);
        }

        return x;
    }

    /// <summary><paramref name="count"/> different numbers below <paramref name="limit"/> in random order.</summary>
    protected int[] Choose(int count, int limit)
    {
        int[] all = [.. Enumerable.Range(0, limit)];
        random.Shuffle(all);
        return all[..count];
    }

    private float NextNormal()
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
        return (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
    }
}
