using System.Numerics;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>INT8 scores of a block of query rows against one KV head's keys.</summary>
public sealed unsafe class Int8ScoresBench() : KernelBench<Int8ScoresKernel>(Int8Scores.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "INT8 scores of a block of query rows against the keys of a head";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("scores", "products, shifted and saturated to 8 bits"),
        new("products", "the int32 products"),
        new("pack", "the keys into the variant's own order"),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(
        new ShapeSize("rows", 48, 4096), new ShapeSize("keys", 4096, 1 << 20), new ShapeSize("dim", 128, 4096));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["rows=48,keys=4096,dim=64", "rows=48,keys=4096,dim=128"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, Int8ScoresKernel kernel, BenchMemory memory)
    {
        int rows = request.Shape["rows"];
        int keys = request.Shape["keys"];
        int dim = request.Shape["dim"];
        int shift = BitOperations.Log2((uint)dim);
        nint packedBytes = kernel.PackedBytes(keys, dim);
        sbyte* q8 = memory.Int8((long)rows * dim, 30);
        sbyte* k8 = memory.Int8((long)keys * dim, 25);
        byte* packed = memory.Allocate<byte>(packedBytes);
        sbyte* scores = memory.Allocate<sbyte>((long)rows * keys);
        int* products = memory.Allocate<int>((long)rows * keys);
        kernel.Pack(k8, dim, keys, dim, packed);
        double macs = (double)rows * keys * dim;
        return request.Function.Name switch
        {
            "scores" => new BenchCase(() => kernel.Scores(q8, dim, rows, packed, keys, dim, shift, scores, keys), BenchWork.Int8(macs), memory),
            "products" => new BenchCase(() => kernel.Products(q8, dim, rows, packed, keys, dim, products, keys), BenchWork.Int8(macs), memory),
            "pack" => new BenchCase(
                () => kernel.Pack(k8, dim, keys, dim, packed),
                BenchWork.Memory((double)keys * dim, packedBytes, (double)keys * dim, "element"),
                memory),
            _ => throw Unknown(request),
        };
    }
}
