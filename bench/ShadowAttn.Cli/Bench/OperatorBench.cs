using ShadowAttn.Attention;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench;

/// <summary>A function of an operator that is measured by itself.</summary>
/// <param name="Name">Its name; with the operator's, <c>select.split</c>, that of the benchmark.</param>
/// <param name="Summary">What it computes, in a line.</param>
/// <param name="Knobs">What it may be asked for.</param>
public sealed record BenchFunction(string Name, string Summary, BenchKnobs Knobs = BenchKnobs.None);

/// <summary>What a benchmark may be asked for beyond function, instruction set, shape and threads.</summary>
[Flags]
public enum BenchKnobs
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><c>--keep</c>: the share of the keys that a row keeps.</summary>
    Keep = 1,

    /// <summary><c>--kv</c>: how K and V are stored.</summary>
    Kv = 2,

    /// <summary><c>--tail</c>: what happens to the dropped keys' mass.</summary>
    Tail = 4,

    /// <summary><c>--min-keys</c>: the floor of kept keys.</summary>
    MinKeys = 8,

    /// <summary><c>--input</c>: where the numbers come from.</summary>
    Input = 16,
}

/// <summary>One benchmark as it was asked for.</summary>
/// <param name="Function">The function.</param>
/// <param name="Isa">The variant.</param>
/// <param name="Shape">The sizes.</param>
/// <param name="Threads">Threads that run at once.</param>
public sealed record BenchRequest(BenchFunction Function, InstructionSet Isa, BenchShape Shape, int Threads)
{
    /// <summary>How many keys a row keeps.</summary>
    public KeepRatio Keep { get; init; } = KeepRatio.Share(0.2);

    /// <summary>How K and V are stored.</summary>
    public KvFormat Kv { get; init; } = KvFormat.F32;

    /// <summary>What happens to the mass of the dropped keys.</summary>
    public TailCompensation Tail { get; init; } = TailCompensation.None;

    /// <summary>A row keeps at least so many keys.</summary>
    public int MinKeys { get; init; } = 1;

    /// <summary>A trace, <c>generated</c>, or null for the bundled trace.</summary>
    public string? Input { get; init; }
}

/// <summary>The benchmarks of one operator: one small class each, listed in <see cref="BenchRegistry"/>.</summary>
public abstract class OperatorBench
{
    /// <summary>The operator's name, as its kernel table has it.</summary>
    public abstract string Name { get; }

    /// <summary>What the operator does, in a line.</summary>
    public abstract string Summary { get; }

    /// <summary>The variants that this machine can run, worst first.</summary>
    public abstract IReadOnlyList<InstructionSet> Variants { get; }

    /// <summary>The variant that the operator uses.</summary>
    public abstract InstructionSet Best { get; }

    /// <summary>What is measured.</summary>
    public abstract IReadOnlyList<BenchFunction> Functions { get; }

    /// <summary>How shapes are written.</summary>
    public abstract ShapeSyntax Syntax { get; }

    /// <summary>The shapes that are measured when none is given.</summary>
    public abstract IReadOnlyList<string> DefaultShapes { get; }

    /// <summary>The formats of K and V that it has.</summary>
    public virtual IReadOnlyList<KvFormat> KvFormats => [KvFormat.F32];

    /// <summary>Whether a call uses the asked number of threads itself; otherwise every thread runs a case of its own.</summary>
    public virtual bool UsesThreads => false;

    /// <summary>Allocates and fills what a call needs.</summary>
    /// <param name="request">A function, variant, shape and format that the operator has.</param>
    /// <exception cref="InputException">The request cannot be fulfilled.</exception>
    public abstract BenchCase Prepare(BenchRequest request);
}

/// <summary>The benchmarks of a kernel table: whatever variants the table has are measured.</summary>
/// <typeparam name="T">The operator's kernel structure.</typeparam>
/// <param name="table">The table.</param>
public abstract class KernelBench<T>(KernelTable<T> table) : OperatorBench
    where T : struct
{
    /// <inheritdoc/>
    public override string Name => table.Name;

    /// <inheritdoc/>
    public override IReadOnlyList<InstructionSet> Variants => [.. table.Supported.Select(v => v.InstructionSet)];

    /// <inheritdoc/>
    public override InstructionSet Best => table.Best.InstructionSet;

    /// <inheritdoc/>
    public override BenchCase Prepare(BenchRequest request)
    {
        var memory = new BenchMemory();
        try
        {
            return Prepare(request, table.Supported.Single(v => v.InstructionSet == request.Isa).Kernel, memory);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Allocates and fills what a call needs; the case owns the memory.</summary>
    protected abstract BenchCase Prepare(BenchRequest request, T kernel, BenchMemory memory);

    /// <summary>For a function that <see cref="OperatorBench.Functions"/> lists and <c>Prepare</c> does not know.</summary>
    protected static ArgumentException Unknown(BenchRequest request) => new($"no function {request.Function.Name}", nameof(request));
}
