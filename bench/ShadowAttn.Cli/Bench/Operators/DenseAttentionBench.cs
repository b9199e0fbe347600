using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>Exact attention of a block of query rows of one head over all its keys.</summary>
public sealed unsafe class DenseAttentionBench() : KernelBench<DenseAttentionKernel>(DenseAttention.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "exact attention of a block of query rows over all keys of a head";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("attend", "the block of rows", BenchKnobs.Kv),
        new("pack-keys", "the keys into the variant's own order", BenchKnobs.Kv),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(
        new ShapeSize("rows", 48, 4096), new ShapeSize("keys", 4096, 1 << 20), new ShapeSize("dim", 128, 4096));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["rows=48,keys=4096,dim=64", "rows=48,keys=4096,dim=128"];

    /// <inheritdoc/>
    public override IReadOnlyList<KvFormat> KvFormats => Enum.GetValues<KvFormat>();

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, DenseAttentionKernel kernel, BenchMemory memory)
    {
        int rows = request.Shape["rows"];
        int keys = request.Shape["keys"];
        int dim = request.Shape["dim"];
        KvRows* k = memory.Allocate<KvRows>(1);
        *k = memory.KeyValues(keys, dim, request.Kv);
        nint packedFloats = kernel.PackedFloats(keys, dim);
        DenseArguments* arguments = memory.Allocate<DenseArguments>(1);
        *arguments = new DenseArguments
        {
            Queries = memory.Floats((long)rows * dim),
            QueryStride = dim,
            Rows = rows,
            FirstVisible = keys,
            VisibleStep = 0,
            PackedKeys = memory.Allocate<float>(packedFloats),
            Values = memory.KeyValues(keys, dim, request.Kv),
            Dim = dim,
            Scale = 1 / MathF.Sqrt(dim),
            Output = memory.Allocate<float>((long)rows * dim),
            OutputStride = dim,
            Scratch = memory.Allocate<float>(kernel.ScratchFloats(rows, dim)),
        };
        kernel.PackKeys(k, 0, keys, dim, arguments->PackedKeys);
        return request.Function.Name switch
        {
            "attend" => new BenchCase(() => kernel.Attend(arguments), BenchWork.Fp32(2.0 * rows * keys * dim), memory),
            "pack-keys" => new BenchCase(
                () => kernel.PackKeys(k, 0, keys, dim, arguments->PackedKeys),
                BenchWork.Memory((double)keys * dim * k->ElementBytes, (double)packedFloats * sizeof(float), (double)keys * dim, "element"),
                memory),
            _ => throw Unknown(request),
        };
    }
}
