using System.IO.Enumeration;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench;

/// <summary>Which benchmarks to run, as the options say it; null where an option was not given.</summary>
public sealed record BenchSelection
{
    /// <summary>Names or patterns: <c>select</c>, <c>gather.attend</c>, <c>half-convert.*</c>.</summary>
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>Names of instruction sets, or <c>all</c>.</summary>
    public IReadOnlyList<string>? Isas { get; init; }

    /// <summary>Shapes in the syntax of every selected operator.</summary>
    public IReadOnlyList<string>? Shapes { get; init; }

    /// <summary>Numbers of threads.</summary>
    public IReadOnlyList<int>? Threads { get; init; }

    /// <summary>Formats of K and V.</summary>
    public IReadOnlyList<KvFormat>? Kv { get; init; }

    /// <summary>Keep ratios.</summary>
    public IReadOnlyList<KeepRatio>? Keep { get; init; }

    /// <summary>Ways with the tail.</summary>
    public IReadOnlyList<TailCompensation>? Tails { get; init; }

    /// <summary>The floor of kept keys.</summary>
    public int? MinKeys { get; init; }

    /// <summary>A trace, or <c>generated</c>.</summary>
    public string? Input { get; init; }

    /// <summary>The benchmarks of a registry that are meant.</summary>
    /// <exception cref="InputException">A name, instruction set, shape or format that there is not.</exception>
    public IReadOnlyList<BenchEntry> Resolve(BenchRegistry registry)
    {
        List<(OperatorBench Operator, BenchFunction Function)> functions = FindFunctions(registry);
        CheckKnob(functions, Keep, BenchKnobs.Keep, "--keep");
        CheckKnob(functions, Kv, BenchKnobs.Kv, "--kv");
        CheckKnob(functions, Tails, BenchKnobs.Tail, "--tail");
        CheckKnob(functions, MinKeys, BenchKnobs.MinKeys, "--min-keys");
        CheckKnob(functions, Input, BenchKnobs.Input, "--input");
        var entries = new List<BenchEntry>();
        foreach ((OperatorBench op, BenchFunction function) in functions)
        {
            foreach (BenchShape shape in (Shapes ?? op.DefaultShapes).Select(text => op.Syntax.Parse("--shape", text)))
            {
                foreach (InstructionSet isa in FindVariants(op))
                {
                    entries.AddRange(Variations(op, new BenchRequest(function, isa, shape, 1)));
                }
            }
        }

        return entries.Count > 0
            ? entries
            : throw new InputException($"--isa: {string.Join(",", functions.Select(f => f.Operator.Name).Distinct())} has no variant for {string.Join(",", Isas ?? [])} here; "
                + $"it has {string.Join(", ", functions.SelectMany(f => f.Operator.Variants).Distinct().Order().Select(InstructionSets.Name))}");
    }

    private List<(OperatorBench Operator, BenchFunction Function)> FindFunctions(BenchRegistry registry)
    {
        // The peaks come along with whatever is measured; by themselves they are only measured when they are named.
        IReadOnlyList<string> patterns = Names ?? [.. registry.Operators.Select(o => o.Name).Where(name => name != Peaks.PeakKernels.Kernels.Name)];
        var found = new List<(OperatorBench, BenchFunction)>();
        foreach (string pattern in patterns)
        {
            (OperatorBench, BenchFunction)[] matches =
            [
                .. from op in registry.Operators
                   from function in op.Functions
                   where FileSystemName.MatchesSimpleExpression(pattern, op.Name) || FileSystemName.MatchesSimpleExpression(pattern, $"{op.Name}.{function.Name}")
                   select (op, function),
            ];
            if (matches.Length == 0)
            {
                throw new InputException($"--op: nothing is called {InputException.Quote(pattern)}; bench --list names what there is, such as gather or gather.attend");
            }

            found.AddRange(matches.Where(match => !found.Contains(match)));
        }

        return found;
    }

    private IEnumerable<InstructionSet> FindVariants(OperatorBench op)
    {
        if (Isas is null)
        {
            return [op.Best];
        }

        var wanted = new List<InstructionSet>();
        foreach (string name in Isas)
        {
            if (name == "all")
            {
                return op.Variants;
            }

            if (InstructionSets.Validate("--isa", name) is { } error)
            {
                throw new InputException(error);
            }

            InstructionSets.TryParse(name, out InstructionSet set);
            wanted.Add(set);
        }

        return op.Variants.Where(wanted.Contains);
    }

    private IEnumerable<BenchEntry> Variations(OperatorBench op, BenchRequest request)
    {
        BenchKnobs knobs = request.Function.Knobs;
        IReadOnlyList<KvFormat> formats = knobs.HasFlag(BenchKnobs.Kv) ? Kv ?? [request.Kv] : [request.Kv];
        IReadOnlyList<KeepRatio> ratios = knobs.HasFlag(BenchKnobs.Keep) ? Keep ?? [request.Keep] : [request.Keep];
        IReadOnlyList<TailCompensation> tails = knobs.HasFlag(BenchKnobs.Tail) ? Tails ?? [request.Tail] : [request.Tail];
        foreach (KvFormat kv in formats)
        {
            if (!op.KvFormats.Contains(kv))
            {
                throw new InputException($"--kv: {op.Name} has no {OptionNames.Name(kv)}; it has {string.Join(", ", op.KvFormats.Select(OptionNames.Name))}");
            }
        }

        return from threads in Threads ?? [1]
               from kv in formats
               from keep in ratios
               from tail in tails
               select new BenchEntry(op, request with
               {
                   Threads = threads,
                   Kv = kv,
                   Keep = keep,
                   Tail = tail,
                   MinKeys = MinKeys ?? request.MinKeys,
                   Input = Input,
               });
    }

    private static void CheckKnob(List<(OperatorBench Operator, BenchFunction Function)> functions, object? given, BenchKnobs knob, string option)
    {
        if (given is not null && !functions.Exists(f => f.Function.Knobs.HasFlag(knob)))
        {
            throw new InputException($"{option}: nothing of {string.Join(", ", functions.Select(f => f.Operator.Name).Distinct())} has it; bench --list says what does");
        }
    }
}
