using CsCheck;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class Int8ScoresTests
{
    private static readonly int[] Dims = [1, 3, 4, 7, 31, 33, 64, 65, 80, 96, 100, 127, 128, 160, 200, 256, 300];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(Int8Scores.Kernels);

    /// <summary>How the values of one test are drawn.</summary>
    public enum Values
    {
        Uniform,
        Gaussian,
        Outliers,
        Extremes,
        AllLowest,
        Zero,
    }

    [Fact]
    public void Scalar_equals_the_formula()
    {
        var random = new Random(1);
        foreach (int dim in Dims)
        {
            sbyte[] q = Draw(random, Values.Uniform, 3 * dim), k = Draw(random, Values.Extremes, 5 * dim);
            sbyte[] scores = new sbyte[15];
            int[] products = new int[15];
            fixed (sbyte* pq = q, pk = k, ps = scores)
            fixed (int* pp = products)
            {
                Int8ScoresKernel kernel = Int8Scores.Kernels.Scalar.Kernel;
                kernel.Scores(pq, dim, 3, (byte*)pk, 5, dim, 7, ps, 5);
                kernel.Products(pq, dim, 3, (byte*)pk, 5, dim, pp, 5);
            }

            for (int i = 0; i < 15; i++)
            {
                double product = 0;
                for (int d = 0; d < dim; d++)
                {
                    product += (double)q[(i / 5 * dim) + d] * k[(i % 5 * dim) + d];
                }

                Assert.Equal(product, products[i]);
                Assert.Equal(Math.Clamp(Math.Floor((product / 128) + 0.5), -128, 127), scores[i]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_dim_and_odd_sizes(InstructionSet set)
    {
        var random = new Random(2);
        foreach (int dim in Dims)
        {
            int shift = (int)Math.Ceiling(Math.Log2(dim));
            foreach ((int rows, int keys) in new[] { (1, 1), (2, 64), (3, 33), (7, 130) })
            {
                Check(set, random, rows, keys, dim, dim, dim, keys, Values.Gaussian, Values.Outliers, shift, GuardPlacement.After);
                Check(set, random, rows, keys, dim, dim, dim, keys, Values.Outliers, Values.Gaussian, 6, GuardPlacement.Before);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Any_shape_stride_and_distribution(InstructionSet set) =>
        Gen.Select(
            Gen.Int[1, 14],
            Gen.Int[1, 140],
            Gen.Int[1, 140],
            Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[0, 9]),
            Gen.Enum<Values>(),
            Gen.Enum<Values>(),
            Gen.Int[0, 24],
            Gen.Bool)
            .Sample(
                (rows, keys, dim, gaps, qValues, kValues, shift, after) => Check(
                    set,
                    new Random((rows * 1000) + keys),
                    rows,
                    keys,
                    dim,
                    dim + gaps.Item1,
                    dim + gaps.Item2,
                    keys + gaps.Item3,
                    qValues,
                    kValues,
                    shift,
                    after ? GuardPlacement.After : GuardPlacement.Before),
                iter: 60,
                threads: 1);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_pair_of_distributions(InstructionSet set)
    {
        var random = new Random(3);
        foreach (int dim in new[] { 64, 128, 256 })
        {
            foreach (Values q in Enum.GetValues<Values>())
            {
                foreach (Values k in Enum.GetValues<Values>())
                {
                    Check(set, random, 4, 66, dim, dim, dim, 66, q, k, dim == 64 ? 6 : 7, GuardPlacement.Before);
                }
            }
        }
    }

    /// <summary>Sums of 16 bits that just fit and just do not: all channels alike, in both signs, with every way of pairing two magnitudes.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void Values_around_the_bounds_of_16_bits(InstructionSet set)
    {
        int[] magnitudes = [2, 31, 32, 33, 45, 46, 63, 64, 65, 90, 127, 128];
        const int Rows = 3, Keys = 4;
        foreach (int dim in new[] { 64, 128 })
        {
            foreach (int a in magnitudes)
            {
                foreach (int b in magnitudes)
                {
                    sbyte[] q = new sbyte[Rows * dim], k = new sbyte[Keys * dim];
                    q.AsSpan(0, dim).Fill((sbyte)-a);
                    q.AsSpan(dim, dim).Fill((sbyte)Math.Min(a, 127));
                    k.AsSpan(0, dim).Fill((sbyte)-b);
                    k.AsSpan(dim, dim).Fill((sbyte)Math.Min(b, 127));
                    k.AsSpan(2 * dim, dim / 2).Fill((sbyte)-b);
                    k.AsSpan(3 * dim, dim / 4).Fill((sbyte)Math.Min(b, 127));
                    q.AsSpan(2 * dim, dim / 2).Fill((sbyte)-a);
                    Compare(set, q, dim, k, dim, Rows, Keys, dim, Keys, (int)Math.Log2(dim), GuardPlacement.After);
                }
            }
        }
    }

    /// <summary>One multiply-add of two channels that just fits 16 bits or just does not: every pair of keys' values against rows of two values.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void Pairs_of_channels_around_the_bound_of_a_multiply_add(InstructionSet set)
    {
        int[] values = [-128, -127, -65, -64, 0, 1, 64, 65, 127];
        (int Low, int High)[] rowValues = [(-128, 127), (-127, 127), (-128, 0), (-1, 127), (-100, 100)];
        const int Dim = 4, Rows = 4;
        sbyte[] q = new sbyte[Rows * Dim];
        sbyte[] k = new sbyte[Dim];
        foreach ((int low, int high) in rowValues)
        {
            for (int i = 0; i < q.Length; i++)
            {
                q[i] = (sbyte)((i % Dim % 2 == 0 ? i / Dim : i / Dim / 2) % 2 == 0 ? low : high);
            }

            foreach (int a in values)
            {
                foreach (int b in values)
                {
                    (k[0], k[1], k[2], k[3]) = ((sbyte)a, (sbyte)b, (sbyte)b, (sbyte)a);
                    Compare(set, q, Dim, k, Dim, Rows, 1, Dim, 1, 2, GuardPlacement.After);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void More_rows_than_are_prepared_at_a_time(InstructionSet set)
    {
        var random = new Random(6);
        Check(set, random, 131, 70, 300, 300, 300, 70, Values.Gaussian, Values.Gaussian, 9, GuardPlacement.After);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Rows_and_keys_of_mixed_distributions_in_one_call(InstructionSet set)
    {
        var random = new Random(4);
        const int Dim = 128;
        int rows = 38, keys = 200;
        sbyte[] q = new sbyte[rows * Dim], k = new sbyte[keys * Dim];
        for (int r = 0; r < rows; r++)
        {
            Draw(random, (Values)random.Next(6), Dim).CopyTo(q, r * Dim);
        }

        for (int key = 0; key < keys; key++)
        {
            Draw(random, (Values)(key < 64 ? 1 : random.Next(6)), Dim).CopyTo(k, key * Dim);
        }

        Compare(set, q, Dim, k, Dim, rows, keys, Dim, keys, 7, GuardPlacement.After);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Tiles_are_packed_and_scored_on_their_own(InstructionSet set)
    {
        Int8ScoresKernel kernel = KernelVariants.Kernel(Int8Scores.Kernels, set);
        const int Dim = 80, Tiles = 3, Rows = 5;
        int tile = kernel.KeyTile, keys = Tiles * tile;
        var random = new Random(5);
        using var q = new GuardedArray<sbyte>(Draw(random, Values.Uniform, Rows * Dim), GuardPlacement.After);
        using var k = new GuardedArray<sbyte>(Draw(random, Values.Gaussian, keys * Dim), GuardPlacement.After);
        using var whole = new GuardedArray<byte>((int)kernel.PackedBytes(keys, Dim), GuardPlacement.After);
        using var pieces = new GuardedArray<byte>((int)kernel.PackedBytes(keys, Dim), GuardPlacement.Before);
        using var expected = new GuardedArray<sbyte>(Rows * keys, GuardPlacement.After);
        using var actual = new GuardedArray<sbyte>(Rows * keys, GuardPlacement.Before);
        kernel.Pack(k.Pointer, Dim, keys, Dim, whole.Pointer);
        kernel.Scores(q.Pointer, Dim, Rows, whole.Pointer, keys, Dim, 6, expected.Pointer, keys);
        for (int t = Tiles - 1; t >= 0; t--)
        {
            nint offset = kernel.PackedBytes(t * tile, Dim);
            kernel.Pack(k.Pointer + (t * tile * Dim), Dim, tile, Dim, pieces.Pointer + offset);
            kernel.Scores(q.Pointer, Dim, Rows, pieces.Pointer + offset, tile, Dim, 6, actual.Pointer + (t * tile), keys);
        }

        Assert.True(expected.Span.SequenceEqual(actual.Span));
        Assert.Equal(0, kernel.PackedBytes(0, Dim));
        Assert.Equal(kernel.PackedBytes(tile, Dim), kernel.PackedBytes(1, Dim));
    }

    [Fact]
    public void The_span_form_checks_shapes()
    {
        sbyte[] scores = new sbyte[2];
        Int8Scores.Run([64, 64], [127, 127, -128, -128], 1, 2, 2, 7, scores);
        Assert.Equal([127, -128], scores);
        Assert.Throws<ArgumentException>(() => Int8Scores.Run(new sbyte[4], new sbyte[4], 2, 3, 2, 7, new sbyte[6]));
        Assert.Throws<ArgumentException>(() => Int8Scores.Run(new sbyte[4], new sbyte[6], 2, 3, 2, 7, new sbyte[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Int8Scores.Run(new sbyte[4], new sbyte[4], 2, 2, 2, 25, new sbyte[4]));
    }

    private static void Check(
        InstructionSet set,
        Random random,
        int rows,
        int keys,
        int dim,
        int qStride,
        int kStride,
        int scoreStride,
        Values qValues,
        Values kValues,
        int shift,
        GuardPlacement placement)
    {
        sbyte[] q = Draw(random, qValues, ((rows - 1) * qStride) + dim), k = Draw(random, kValues, ((keys - 1) * kStride) + dim);
        Compare(set, q, qStride, k, kStride, rows, keys, dim, scoreStride, shift, placement);
    }

    /// <summary>Scores and products of a variant against the scalar ones, every buffer guarded, gaps between rows untouched.</summary>
    private static void Compare(
        InstructionSet set,
        sbyte[] q,
        int qStride,
        sbyte[] k,
        int kStride,
        int rows,
        int keys,
        int dim,
        int scoreStride,
        int shift,
        GuardPlacement placement)
    {
        Int8ScoresKernel kernel = KernelVariants.Kernel(Int8Scores.Kernels, set);
        int length = ((rows - 1) * scoreStride) + keys;
        using var gq = new GuardedArray<sbyte>(q, placement);
        using var gk = new GuardedArray<sbyte>(k, placement);
        using var packed = new GuardedArray<byte>((int)kernel.PackedBytes(keys, dim), placement);
        using var scores = new GuardedArray<sbyte>(length, placement);
        using var products = new GuardedArray<int>(length, placement);
        packed.Span.Fill(0xA5);
        scores.Span.Fill(77);
        products.Span.Fill(77);
        kernel.Pack(gk.Pointer, kStride, keys, dim, packed.Pointer);
        kernel.Scores(gq.Pointer, qStride, rows, packed.Pointer, keys, dim, shift, scores.Pointer, scoreStride);
        kernel.Products(gq.Pointer, qStride, rows, packed.Pointer, keys, dim, products.Pointer, scoreStride);
        for (int i = 0; i < length; i++)
        {
            int row = i / scoreStride, key = i % scoreStride;
            int expected = 77;
            int expectedScore = 77;
            if (key < keys)
            {
                expected = 0;
                for (int d = 0; d < dim; d++)
                {
                    expected += q[(row * qStride) + d] * k[(key * kStride) + d];
                }

                expectedScore = (int)Math.Clamp(Math.Floor((expected / Math.Pow(2, shift)) + 0.5), -128, 127);
            }

            if (products.Span[i] != expected || scores.Span[i] != expectedScore)
            {
                Assert.Fail($"row {row} of {rows}, key {key} of {keys}, dim {dim}, shift {shift}: product {products.Span[i]} should be "
                    + $"{expected}, score {scores.Span[i]} should be {expectedScore}");
            }
        }
    }

    private static sbyte[] Draw(Random random, Values values, int count)
    {
        sbyte[] result = new sbyte[count];
        for (int i = 0; i < count; i++)
        {
            result[i] = (sbyte)(values switch
            {
                Values.Uniform => random.Next(-128, 128),
                Values.Gaussian => Math.Clamp(Math.Round(20 * Gaussian(random)), -127, 127),
                Values.Outliers => random.Next(12) == 0 ? random.Next(-128, 128) : random.Next(-15, 16),
                Values.Extremes => random.Next(2) == 0 ? 127 : -128,
                Values.AllLowest => -128,
                _ => 0,
            });
        }

        return result;
    }

    private static double Gaussian(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
