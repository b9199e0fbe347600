using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class DenseAttentionTests
{
    private static readonly int[] Dims =
        [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 64, 65, 80, 96, 100, 112, 128, 130, 160, 176, 200, 256, 300];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(DenseAttention.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_dim(InstructionSet set)
    {
        var random = new Random(1);
        foreach (int dim in Dims)
        {
            int rows = random.Next(1, 40);

            // With few channels an output may be near zero, and the error relative to it large.
            double tolerance = dim < 8 ? 5e-5 : 2e-6;
            new Problem(random, rows, rows + random.Next(0, 50), dim) { Causal = true, Strides = (3, 5, 1, 2) }.Check(set, tolerance);
            new Problem(random, random.Next(1, 30), random.Next(1, 90), dim) { Placement = GuardPlacement.Before }.Check(set, tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_format_of_keys_and_values(InstructionSet set)
    {
        var random = new Random(11);
        foreach (int dim in new[] { 1, 7, 16, 33, 64, 80, 100, 128 })
        {
            foreach (KvFormat format in Enum.GetValues<KvFormat>())
            {
                int rows = random.Next(1, 30);
                new Problem(random, rows, rows + random.Next(0, 300), dim)
                {
                    Formats = (format, random.Next(4) == 0 ? (KvFormat)random.Next(4) : format),
                    Causal = random.Next(2) == 0,
                    Strides = (random.Next(3), random.Next(3), random.Next(3), random.Next(3)),
                    Placement = random.Next(2) == 0 ? GuardPlacement.Before : GuardPlacement.After,
                }.Check(set, dim < 8 ? 5e-5 : 2e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_number_of_rows_and_keys(InstructionSet set)
    {
        var random = new Random(2);
        for (int rows = 1; rows <= 50; rows += rows < 30 ? 1 : 7)
        {
            new Problem(random, rows, rows, 16) { Causal = true }.Check(set, 2e-6);
            new Problem(random, rows, 300 - rows, 24) { Causal = true }.Check(set, 2e-6);
        }

        foreach (int keys in new[] { 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 320, 511, 513 })
        {
            new Problem(random, 2, keys, 16).Check(set, 2e-6);
            new Problem(random, 7, keys + 7, 16) { Causal = true }.Check(set, 2e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Within_a_millionth_at_2048_keys(InstructionSet set)
    {
        // The scalar form adds key by key; the others sum blocks of keys by themselves.
        double tolerance = set == InstructionSet.Scalar ? 2e-6 : 1e-6;
        new Problem(new Random(3), 8, 2048, 128) { Causal = true }.Check(set, tolerance);
        new Problem(new Random(4), 8, 2048, 64).Check(set, tolerance);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Extreme_logits(InstructionSet set)
    {
        var random = new Random(5);
        foreach (float factor in new[] { 0f, -0f, 1e-30f, 1e-42f, 1e3f, 1e4f })
        {
            new Problem(random, 9, 300, 64) { QueryFactor = factor }.Check(set, 5e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_late_maximum_shrinks_what_was_before(InstructionSet set)
    {
        new Problem(new Random(6), 5, 700, 32) { Rising = true }.Check(set, 1e-5);
        new Problem(new Random(7), 30, 700, 32) { Rising = true, Causal = true }.Check(set, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Splitting_rows_or_packing_changes_no_bit(InstructionSet set)
    {
        foreach (KvFormat format in Enum.GetValues<KvFormat>())
        {
            var problem = new Problem(new Random(8), 60, 333, 48) { Causal = true, Formats = (format, format) };
            float[] whole = problem.Run(set, rowsPerCall: 60, keysPerPack: 333);
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 60, keysPerPack: 333));
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 1, keysPerPack: 64));
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 7, keysPerPack: 128));
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 25, keysPerPack: 192));
            int packStep = KernelVariants.Kernel(DenseAttention.Kernels, set).PackStep;
            Assert.Equal(0, 64 % packStep);
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 60, keysPerPack: packStep));
            Assert.Equal(whole, problem.Run(set, rowsPerCall: 60, keysPerPack: 5 * packStep));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Values_that_are_no_numbers_do_no_harm(InstructionSet set)
    {
        foreach (float value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue })
        {
            new Problem(new Random(9), 13, 100, 40) { Causal = true, Poison = value }.Run(set, 13, 100);
        }
    }

    [Fact]
    public void The_span_form_checks_its_arguments()
    {
        var random = new Random(10);
        float[] queries = AttentionFormula.Gaussian(random, 3 * 20);
        float[] keys = AttentionFormula.Gaussian(random, 9 * 20);
        float[] values = AttentionFormula.Gaussian(random, 9 * 20);
        float[] output = new float[3 * 20];
        foreach (bool causal in new[] { true, false })
        {
            DenseAttention.Run(queries, keys, values, 20, 0.2f, causal, output);
            for (int r = 0; r < 3; r++)
            {
                fixed (float* q = queries, k = keys, v = values)
                {
                    int[] seen = [.. Enumerable.Range(0, causal ? 7 + r : 9)];
                    double[] expected = AttentionFormula.Row(q + (r * 20), k, 20, v, 20, 20, 0.2f, seen);
                    Assert.True(AttentionFormula.RelativeError(output.AsSpan(r * 20, 20), expected) < 2e-6);
                }
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => DenseAttention.Run(queries, keys, values, 0, 1, true, output));
        Assert.Throws<ArgumentOutOfRangeException>(() => DenseAttention.Run(queries, keys.AsSpan(0, 40), values, 20, 1, true, output));
        Assert.Throws<ArgumentException>(() => DenseAttention.Run(queries, keys, values.AsSpan(1), 20, 1, true, output));
        Assert.Throws<ArgumentException>(() => DenseAttention.Run(queries, keys, values, 20, 1, true, output.AsSpan(1)));
    }

    /// <summary>Queries and keys of one head, everything between guard pages.</summary>
    private sealed class Problem(Random random, int rows, int keyCount, int dim)
    {
        public bool Causal { get; init; }

        public (int Query, int Key, int Value, int Output) Strides { get; init; }

        public (KvFormat Keys, KvFormat Values) Formats { get; init; }

        public float QueryFactor { get; init; } = 1;

        public bool Rising { get; init; }

        public float? Poison { get; init; }

        public GuardPlacement Placement { get; init; } = GuardPlacement.After;

        private readonly int _seed = random.Next();

        public void Check(InstructionSet set, double tolerance) => Run(set, rows, keyCount, tolerance);

        public float[] Run(InstructionSet set, int rowsPerCall, int keysPerPack, double? tolerance = null)
        {
            DenseAttentionKernel kernel = KernelVariants.Kernel(DenseAttention.Kernels, set);
            var draw = new Random(_seed);
            nint queryStride = dim + Strides.Query;
            nint keyStride = dim + Strides.Key;
            nint valueStride = dim + Strides.Value;
            nint outputStride = dim + Strides.Output;
            using var queries = new GuardedArray<float>(
                AttentionFormula.Gaussian(draw, (int)((rows - 1) * queryStride) + dim, QueryFactor), Placement);
            float[] keyNumbers = AttentionFormula.Gaussian(draw, (int)((keyCount - 1) * keyStride) + dim);
            float[] valueNumbers = AttentionFormula.Gaussian(draw, (int)((keyCount - 1) * valueStride) + dim);
            using var output = new GuardedArray<float>((int)((rows - 1) * outputStride) + dim, Placement);
            output.Span.Fill(-77);
            if (Rising)
            {
                for (int i = 0; i < keyCount; i++)
                {
                    for (int d = 0; d < dim; d++)
                    {
                        keyNumbers[(int)(i * keyStride) + d] *= 20f * i / keyCount;
                    }
                }
            }

            if (Poison is { } value)
            {
                keyNumbers[draw.Next(keyNumbers.Length)] = value;
                valueNumbers[draw.Next(valueNumbers.Length)] = value;
                queries.Span[draw.Next(queries.Length)] = value;
            }

            using var keys = new GuardedRows(keyNumbers, keyStride, dim, Formats.Keys, Placement);
            using var values = new GuardedRows(valueNumbers, valueStride, dim, Formats.Values, Placement);
            KvRows keyRows = keys.Rows;

            using GuardedArray<Line> packed = Lines(kernel.PackedFloats(keyCount, dim));
            using GuardedArray<Line> scratch = Lines(kernel.ScratchFloats(rowsPerCall, dim));
            for (int key = 0; key < keyCount; key += keysPerPack)
            {
                kernel.PackKeys(&keyRows, key, Math.Min(keysPerPack, keyCount - key), dim, (float*)packed.Pointer);
            }

            float scale = 1 / MathF.Sqrt(dim);
            int firstVisible = Causal ? keyCount - rows + 1 : keyCount;
            int step = Causal ? 1 : 0;
            for (int row = 0; row < rows; row += rowsPerCall)
            {
                DenseArguments arguments = new()
                {
                    Queries = queries.Pointer + (row * queryStride),
                    QueryStride = queryStride,
                    Rows = Math.Min(rowsPerCall, rows - row),
                    FirstVisible = firstVisible + (row * step),
                    VisibleStep = step,
                    PackedKeys = (float*)packed.Pointer,
                    Values = values.Rows,
                    Dim = dim,
                    Scale = scale,
                    Output = output.Pointer + (row * outputStride),
                    OutputStride = outputStride,
                    Scratch = (float*)scratch.Pointer,
                };
                kernel.Attend(&arguments);
            }

            for (int row = 0; row < rows; row++)
            {
                Span<float> result = output.Span.Slice((int)(row * outputStride), dim);
                if (tolerance is { } limit)
                {
                    int[] seen = [.. Enumerable.Range(0, firstVisible + (row * step))];
                    double[] expected = AttentionFormula.Row(
                        queries.Pointer + (row * queryStride), keys.Exact, keyStride, values.Exact, valueStride, dim, scale, seen);
                    double error = AttentionFormula.RelativeError(result, expected);
                    Assert.True(error <= limit, $"row {row} of {rows}, {keyCount} keys, dim {dim}: error {error:E1}");
                }

                foreach (float gap in output.Span[((int)(row * outputStride) + dim)..(int)Math.Min((row + 1) * outputStride, output.Length)])
                {
                    Assert.Equal(-77, gap);
                }
            }

            return output.Span.ToArray();
        }

        /// <summary>Whole lines that hold so many floats; the last one ends at a guard page and all start as NaN.</summary>
        private static GuardedArray<Line> Lines(nint floats)
        {
            var lines = new GuardedArray<Line>((int)((floats + 15) / 16), GuardPlacement.After);
            lines.Span.Fill(Line.Of(float.NaN));
            return lines;
        }
    }
}
