using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>Whole attention calls: one layer through the operator, with threads of its own.</summary>
public class AttentionBench : OperatorBench
{
    private const string Generated = "generated";
    private const string NoPilot = "shadow-cpu-no-pilot";
    private const BenchKnobs Dense = BenchKnobs.Kv | BenchKnobs.Input;
    private const BenchKnobs Sparse = Dense | BenchKnobs.Keep | BenchKnobs.Tail | BenchKnobs.MinKeys;

    /// <inheritdoc/>
    public override string Name => "attention";

    /// <inheritdoc/>
    public override string Summary => "one layer through the whole operator, by mode";

    /// <inheritdoc/>
    public override IReadOnlyList<InstructionSet> Variants => [InstructionSets.Active];

    /// <inheritdoc/>
    public override InstructionSet Best => InstructionSets.Active;

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("dense", "exact attention over all visible keys", Dense),
        new("shadow-cpu", "pilot, selection and attention over the kept keys", Sparse),
        new(NoPilot, "the same without the time of quantising and scoring, as if an NPU did that", Sparse),
        new("sparse-cpu", "the same with an estimate in fp32, key by key", Sparse),
        new("block-sparse", "the same with whole blocks of keys, chosen in fp32", Sparse),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new AttentionShapeSyntax();

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["12/2x128,1024x1024,causal"];

    /// <inheritdoc/>
    public override IReadOnlyList<KvFormat> KvFormats => Enum.GetValues<KvFormat>();

    /// <inheritdoc/>
    public override bool UsesThreads => true;

    /// <summary>Whether the keys come from a cache.</summary>
    protected virtual bool IsCached => false;

    /// <summary>The numbers that a request asks for: a trace repeated to the shape, or generated ones where the trace does not fit.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="input">A trace, <c>generated</c>, or null for the bundled trace.</param>
    /// <exception cref="InputException">A trace that was asked for does not fit.</exception>
    public static AttentionData Load(AttentionShape shape, string? input)
    {
        if (input != Generated)
        {
            string path = input ?? RunOptions.BundledInput;
            if (input is not null || File.Exists(path))
            {
                using TraceInput trace = TraceInput.Open(path);
                if (shape.HeadDim % trace.HeadDim == 0)
                {
                    return AttentionData.Repeat(trace, shape);
                }

                if (input is not null)
                {
                    throw new InputException($"--input: {path} has {trace.HeadDim} channels per head, of which {shape.HeadDim} is no multiple");
                }
            }
        }

        return AttentionData.Generate(shape, seed: 1);
    }

    /// <inheritdoc/>
    public override BenchCase Prepare(BenchRequest request)
    {
        AttentionShape shape = AttentionShapeSyntax.ToAttention(request.Shape);
        AttentionData data = Load(shape, request.Input);
        AttentionMode mode = OptionNames.TryParse(request.Function.Name, out AttentionMode named) ? named : AttentionMode.ShadowCpu;
        bool dense = mode == AttentionMode.Dense;
        AttentionOperands operands;
        try
        {
            operands = new AttentionOperands(
                new AttentionOptions
                {
                    Heads = shape.Heads,
                    KvHeads = shape.KvHeads,
                    HeadDim = shape.HeadDim,
                    Mode = mode,
                    Keep = request.Keep,
                    MinKeys = request.MinKeys,
                    Tail = request.Tail,
                    Causal = shape.Causal,
                    Threads = request.Threads,
                },
                shape,
                data,
                request.Kv,
                IsCached);
        }
        catch (ArgumentException e)
        {
            throw new InputException(e.Message, e);
        }

        double visible = shape.Heads * (shape.Causal
            ? ((double)shape.Keys * shape.Queries) - ((double)shape.Queries * (shape.Queries - 1) / 2)
            : (double)shape.Keys * shape.Queries);
        BenchWork work = new(dense ? WorkBound.Fp32 : WorkBound.None)
        {
            Macs = dense ? 2 * visible * shape.HeadDim : 0,
            Elements = visible,
            Element = "score",
        };
        return new BenchCase(operands.Compute, work, operands)
        {
            ExcludedNs = request.Function.Name == NoPilot ? operands.PilotNs : null,
            Note = data.Source,
        };
    }
}
