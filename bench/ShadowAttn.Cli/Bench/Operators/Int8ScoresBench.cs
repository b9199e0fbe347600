using ShadowAttn.Graphs;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>
/// INT8 scores of a block of query rows against one KV head's keys, quantised from a trace as the pilot does it: how long the 16-bit sums of AVX2 and
/// AVX-512 may get depends on the numbers.
/// </summary>
public sealed unsafe class Int8ScoresBench() : KernelBench<Int8ScoresKernel>(Int8Scores.Kernels)
{
    /// <summary>So many different rows are quantised; more keys or queries are these again.</summary>
    private const int DistinctRows = 4096;

    /// <inheritdoc/>
    public override string Summary => "INT8 scores of a block of query rows against the keys of a head";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("scores", "products, shifted and saturated to 8 bits", BenchKnobs.Input),
        new("products", "the int32 products", BenchKnobs.Input),
        new("pack", "the keys into the variant's own order", BenchKnobs.Input),
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
        int shift = UniversalPilot.Shift(dim);
        nint packedBytes = kernel.PackedBytes(keys, dim);
        sbyte* q8 = memory.Allocate<sbyte>((long)rows * dim);
        sbyte* k8 = memory.Allocate<sbyte>((long)keys * dim);
        string source = Quantised(request.Input, dim, q8, rows, k8, keys);
        byte* packed = memory.Allocate<byte>(packedBytes);
        sbyte* scores = memory.Allocate<sbyte>((long)rows * keys);
        int* products = memory.Allocate<int>((long)rows * keys);
        kernel.Pack(k8, dim, keys, dim, packed);
        double macs = (double)rows * keys * dim;
        (Action run, BenchWork work) = request.Function.Name switch
        {
            "scores" => ((Action)(() => kernel.Scores(q8, dim, rows, packed, keys, dim, shift, scores, keys)), BenchWork.Int8(macs)),
            "products" => (() => kernel.Products(q8, dim, rows, packed, keys, dim, products, keys), BenchWork.Int8(macs)),
            "pack" => (
                () => kernel.Pack(k8, dim, keys, dim, packed),
                BenchWork.Memory((double)keys * dim, packedBytes, (double)keys * dim, "element")),
            _ => throw Unknown(request),
        };
        return new BenchCase(run, work, memory) { Note = source };
    }

    /// <summary>Fills q8 [rows, dim] and k8 [keys, dim] as the pilot quantises them and says where the numbers come from.</summary>
    private static string Quantised(string? input, int dim, sbyte* q8, int rows, sbyte* k8, int keys)
    {
        int distinctQueries = Math.Min(rows, DistinctRows);
        int distinctKeys = Math.Clamp(keys, distinctQueries, DistinctRows);
        AttentionData data = AttentionBench.Load(new AttentionShape(1, 1, dim, distinctQueries, distinctKeys, Causal: true), input);
        float[] mean = new float[dim];
        ChannelStats.Mean(data.Keys, dim, distinctKeys, mean);
        float largest = MathF.Max(ChannelStats.AbsMax(data.Keys, dim, distinctKeys, dim, mean), Quantize.MinScale);
        double[] squareSums = new double[dim];
        sbyte[] keys8 = new sbyte[distinctKeys * dim];
        Quantize.Keys(data.Keys, dim, distinctKeys, mean, 127 / largest, keys8, squareSums);
        float[] power = [.. squareSums.Select(s => (float)(s / distinctKeys))];
        sbyte[] queries8 = new sbyte[distinctQueries * dim];
        Quantize.Queries(data.Queries, dim, distinctQueries, power, UniversalPilot.Sigma0(dim), queries8, new float[distinctQueries]);
        Repeat(queries8, q8, rows, dim);
        Repeat(keys8, k8, keys, dim);
        return data.Source;
    }

    private static void Repeat(sbyte[] from, sbyte* to, int rows, int dim)
    {
        for (int row = 0; row < rows; row++)
        {
            from.AsSpan((int)((long)row * dim % from.Length), dim).CopyTo(new Span<sbyte>(to + ((long)row * dim), dim));
        }
    }
}
