using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>Whole attention calls: one layer through the operator, with threads of its own.</summary>
public sealed class AttentionBench : OperatorBench
{
    private const string Generated = "generated";
    private const BenchKnobs Sparse = BenchKnobs.Kv | BenchKnobs.Keep | BenchKnobs.Tail | BenchKnobs.MinKeys | BenchKnobs.Input;

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
        new("dense", "exact attention over all visible keys", BenchKnobs.Kv | BenchKnobs.Input),
        new("shadow-cpu", "pilot, selection and attention over the kept keys", Sparse),
        new("shadow-cpu-no-pilot", "the same without the time of quantising and scoring, as if an NPU did that", Sparse),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new AttentionShapeSyntax();

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["12/2x128,1024x1024,causal"];

    /// <inheritdoc/>
    public override bool UsesThreads => true;

    /// <inheritdoc/>
    public override IReadOnlyList<KvFormat> KvFormats => Enum.GetValues<KvFormat>();

    /// <summary>The numbers that a request asks for: a trace repeated to the shape, or generated ones where the trace does not fit.</summary>
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
        bool dense = request.Function.Name == "dense";
        var operands = new Operands(shape, data, request.Kv);
        ShadowAttention? attention = null;
        try
        {
            attention = new ShadowAttention(null, new AttentionOptions
            {
                Heads = shape.Heads,
                KvHeads = shape.KvHeads,
                HeadDim = shape.HeadDim,
                Mode = dense ? AttentionMode.Dense : AttentionMode.ShadowCpu,
                Keep = request.Keep,
                MinKeys = request.MinKeys,
                Tail = request.Tail,
                Causal = shape.Causal,
                Threads = request.Threads,
            });
        }
        catch (ArgumentException e)
        {
            operands.Dispose();
            throw new InputException(e.Message, e);
        }

        operands.Attention = attention;
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
            ExcludedNs = request.Function.Name == "shadow-cpu-no-pilot" ? operands.PilotNs : null,
            Note = data.Source,
        };
    }

    /// <summary>Q, K, V and O of a call, and its operator.</summary>
    private sealed class Operands : IDisposable
    {
        private readonly AttentionShape _shape;
        private readonly UnmanagedBuffer _q;
        private readonly KvTensor _k;
        private readonly KvTensor _v;
        private readonly UnmanagedBuffer _o;
        private AttentionReport? _report;

        public Operands(AttentionShape shape, AttentionData data, KvFormat format)
        {
            _shape = shape;
            _q = Copy(data.Queries);
            _k = Convert(data.Keys, shape, format);
            _v = Convert(data.Values, shape, format);
            _o = UnmanagedBuffer.Allocate((long)shape.QueryLength * sizeof(float));
        }

        public ShadowAttention? Attention { get; set; }

        public void Compute() => _report = Attention!.Compute(
            _q.View<float>(_shape.Heads, _shape.Queries, _shape.HeadDim),
            _k.View,
            _v.View,
            _o.View<float>(_shape.Heads, _shape.Queries, _shape.HeadDim));

        public double PilotNs()
        {
            double ms = 0;
            foreach (OperatorTime time in _report!.Operators)
            {
                if (time.Name is "quantize" or "pilot")
                {
                    ms += time.Milliseconds;
                }
            }

            return ms * 1e6;
        }

        public void Dispose()
        {
            Attention?.Dispose();
            _q.Dispose();
            _k.Dispose();
            _v.Dispose();
            _o.Dispose();
        }

        private static KvTensor Convert(float[] source, AttentionShape shape, KvFormat format)
        {
            using UnmanagedBuffer buffer = Copy(source);
            return KvTensor.Convert(buffer.View<float>(shape.KvHeads, shape.Keys, shape.HeadDim), format);
        }

        private static UnmanagedBuffer Copy(float[] source)
        {
            UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)source.Length * sizeof(float));
            source.CopyTo(buffer.AsSpan<float>());
            return buffer;
        }
    }
}
