using System.Numerics;
using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>INT8 scores of a block of query rows against one KV head's keys.</summary>
public unsafe class Int8ScoresSuite : OperatorSuite
{
    private Int8ScoresKernel kernel;
    private sbyte* q8;
    private sbyte* k8;
    private byte* packed;
    private sbyte* scores;
    private int* products;

    /// <inheritdoc/>
    public override string Operator => Int8Scores.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(Int8Scores.Kernels);

    /// <summary>Query rows.</summary>
    [Params(32)]
    public int Rows { get; set; }

    /// <summary>Keys.</summary>
    [Params(256, 2048)]
    public int Keys { get; set; }

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>The keys into the variant's own order.</summary>
    [Benchmark]
    public void Pack() => kernel.Pack(k8, Dim, Keys, Dim, packed);

    /// <summary>Products, shifted and saturated to 8 bits.</summary>
    [Benchmark]
    public void Scores() => kernel.Scores(q8, Dim, Rows, packed, Keys, Dim, BitOperations.Log2((uint)Dim), scores, Keys);

    /// <summary>The int32 products.</summary>
    [Benchmark]
    public void Products() => kernel.Products(q8, Dim, Rows, packed, Keys, Dim, products, Keys);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(Int8Scores.Kernels);
        q8 = Int8((long)Rows * Dim, 30);
        k8 = Int8((long)Keys * Dim, 25);
        packed = Allocate<byte>(kernel.PackedBytes(Keys, Dim));
        scores = Allocate<sbyte>((long)Rows * Keys);
        products = Allocate<int>((long)Rows * Keys);
        kernel.Pack(k8, Dim, Keys, Dim, packed);
    }
}
