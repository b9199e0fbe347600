using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>Exact attention of a block of query rows of one head over all its keys.</summary>
public unsafe class DenseAttentionSuite : OperatorSuite
{
    private DenseAttentionKernel kernel;
    private DenseArguments* arguments;
    private KvRows* keys;

    /// <inheritdoc/>
    public override string Operator => DenseAttention.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(DenseAttention.Kernels);

    /// <summary>Query rows.</summary>
    [Params(32)]
    public int Rows { get; set; }

    /// <summary>Keys; every row sees all of them.</summary>
    [Params(256, 2048)]
    public int Keys { get; set; }

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>The keys into the variant's own order.</summary>
    [Benchmark]
    public void PackKeys() => kernel.PackKeys(keys, 0, Keys, Dim, arguments->PackedKeys);

    /// <summary>The block of rows.</summary>
    [Benchmark]
    public void Attend() => kernel.Attend(arguments);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(DenseAttention.Kernels);
        keys = Allocate<KvRows>(1);
        *keys = new KvRows(Floats((long)Keys * Dim), Dim);
        arguments = Allocate<DenseArguments>(1);
        *arguments = new DenseArguments
        {
            Queries = Floats((long)Rows * Dim),
            QueryStride = Dim,
            Rows = Rows,
            FirstVisible = Keys,
            VisibleStep = 0,
            PackedKeys = Allocate<float>(kernel.PackedFloats(Keys, Dim)),
            Values = new KvRows(Floats((long)Keys * Dim), Dim),
            Dim = Dim,
            Scale = 1 / MathF.Sqrt(Dim),
            Output = Allocate<float>((long)Rows * Dim),
            OutputStride = Dim,
            Scratch = Allocate<float>(kernel.ScratchFloats(Rows, Dim)),
        };
        kernel.PackKeys(keys, 0, Keys, Dim, arguments->PackedKeys);
    }
}
