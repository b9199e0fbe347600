using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class GatherAttentionTests
{
    private static readonly int[] Dims =
        [1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40, 48, 64, 65, 72, 80, 88, 96, 100, 112, 128, 130, 144, 160, 176, 200, 256, 300];

    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(GatherAttention.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_dim_and_every_mix_of_lists(InstructionSet set)
    {
        var random = new Random(1);
        (int Both, int First, int Second)[] mixes = [(1, 0, 0), (0, 1, 1), (5, 3, 0), (8, 8, 9), (17, 1, 12), (0, 33, 2), (40, 7, 20), (3, 0, 25)];
        foreach (int dim in Dims)
        {
            for (int i = 0; i < 3; i++)
            {
                (int both, int first, int second) = mixes[random.Next(mixes.Length)];
                var problem = new Problem(random, dim, both, first, second)
                {
                    Strides = (random.Next(3) * 5, random.Next(3) * 3),
                    Tail = i != 0,
                    Placement = i == 1 ? GuardPlacement.Before : GuardPlacement.After,
                };
                problem.Check(set, dim < 8 ? 2e-5 : 2e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_format_of_keys_and_values(InstructionSet set)
    {
        var random = new Random(12);
        foreach (int dim in Dims)
        {
            foreach (KvFormat format in Enum.GetValues<KvFormat>())
            {
                new Problem(random, dim, random.Next(30), 1 + random.Next(30), 1 + random.Next(30))
                {
                    Formats = (format, random.Next(4) == 0 ? (KvFormat)random.Next(4) : format),
                    Strides = (random.Next(3) * 5, random.Next(3) * 3),
                    Tail = random.Next(2) == 0,
                    OneRow = random.Next(3) == 0,
                    Placement = random.Next(2) == 0 ? GuardPlacement.Before : GuardPlacement.After,
                }.Check(set, dim < 8 ? 5e-5 : 2e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Extreme_logits_of_16_bit_keys(InstructionSet set)
    {
        foreach (KvFormat format in new[] { KvFormat.F16, KvFormat.BF16, KvFormat.Q16 })
        {
            foreach (float factor in new[] { 0f, -0f, 1e-30f, 1e-42f, 1e3f, 1e4f })
            {
                new Problem(new Random(13), 64, 20, 5, 9) { QueryFactor = factor, Formats = (format, format) }.Check(set, 2e-5);
            }

            foreach (float value in new[] { float.NaN, float.PositiveInfinity, 1e-7f, -3e-8f })
            {
                new Problem(new Random(14), 72, 13, 5, 6) { Formats = (format, format), Poison = value }.Run(set);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_list_length(InstructionSet set)
    {
        var random = new Random(2);
        for (int n = 0; n <= 37; n++)
        {
            new Problem(random, 20, n, n == 0 ? 1 : 0, 37 - n + (n == 0 ? 1 : 0)).Check(set, 2e-6);
            new Problem(random, 32, 0, n + 1, 1).Check(set, 2e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void One_row_reads_both_and_first(InstructionSet set)
    {
        var random = new Random(3);
        foreach ((int both, int first) in new[] { (0, 1), (1, 0), (9, 0), (0, 21), (12, 30) })
        {
            foreach (int dim in new[] { 5, 64, 128, 144 })
            {
                new Problem(random, dim, both, first, 0) { OneRow = true, Tail = true }.Check(set, 2e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Many_keys(InstructionSet set)
    {
        var random = new Random(4);
        new Problem(random, 64, 700, 200, 300) { Tail = true }.Check(set, 1e-6);
        new Problem(random, 128, 400, 100, 0).Check(set, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Extreme_logits(InstructionSet set)
    {
        var random = new Random(5);
        foreach (float factor in new[] { 0f, -0f, 1e-30f, 1e-42f, 1e3f })
        {
            new Problem(random, 64, 20, 5, 9) { QueryFactor = factor, Tail = true }.Check(set, 2e-5);
        }

        // Logits of ±1e4 differ by far more than exp can hold: one key takes all.
        new Problem(random, 64, 20, 5, 9) { QueryFactor = 1e4f }.Check(set, 2e-6);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_tail_weighs_in_relative_to_the_largest_logit(InstructionSet set)
    {
        var random = new Random(6);
        foreach (float logit in new[] { -200f, -5f, 0f, 3f, 500f })
        {
            new Problem(random, 80, 11, 4, 6) { Tail = true, TailLogit = logit }.Check(set, 2e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_tile_of_pairs_gives_the_same_bits_as_pair_by_pair(InstructionSet set)
    {
        // The second one keeps so much that keys and values do not fit a cache together.
        foreach (var problem in new Problem[]
        {
            new(new Random(10), 48, 20, 7, 9) { Tail = true },
            new(new Random(11), 256, 300, 90, 90),
            new(new Random(11), 256, 300, 90, 90) { Formats = (KvFormat.F16, KvFormat.Q16) },
            new(new Random(12), 72, 40, 19, 3) { Formats = (KvFormat.BF16, KvFormat.F16) },
        })
        {
            Assert.Equal(problem.Run(set), problem.Run(set, tile: true));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_same_input_gives_the_same_bits(InstructionSet set)
    {
        var problem = new Problem(new Random(7), 96, 30, 11, 14) { Tail = true };
        Assert.Equal(problem.Run(set), problem.Run(set));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Values_that_are_no_numbers_do_no_harm(InstructionSet set)
    {
        foreach (float value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue })
        {
            new Problem(new Random(8), 72, 13, 5, 6) { Tail = true, Poison = value }.Run(set);
        }
    }

    [Fact]
    public void The_span_form_checks_its_arguments()
    {
        var random = new Random(9);
        float[] query = AttentionFormula.Gaussian(random, 12);
        float[] keys = AttentionFormula.Gaussian(random, 60);
        float[] values = AttentionFormula.Gaussian(random, 60);
        float[] output = new float[12];
        GatherAttention.Row(query, keys, values, [0, 3, 4], 0.3f, output);
        fixed (float* q = query, k = keys, v = values)
        {
            double[] expected = AttentionFormula.Row(q, k, 12, v, 12, 12, 0.3f, [0, 3, 4]);
            Assert.True(AttentionFormula.RelativeError(output, expected) < 2e-6);
        }

        Assert.Throws<ArgumentException>(() => GatherAttention.Row(query, keys, values, [5], 1, output));
        Assert.Throws<ArgumentException>(() => GatherAttention.Row(query, keys, values, [-1], 1, output));
        Assert.Throws<ArgumentException>(() => GatherAttention.Row(query, keys, values, [], 1, output));
        Assert.Throws<ArgumentException>(() => GatherAttention.Row(query, keys, values, [0], 1, new float[11]));
        Assert.Throws<ArgumentOutOfRangeException>(() => GatherAttention.Row([], keys, values, [0], 1, output));
    }

    /// <summary>One or two rows with random keys, everything between guard pages.</summary>
    private sealed class Problem(Random random, int dim, int both, int first, int second)
    {
        public (int Key, int Value) Strides { get; init; }

        public (KvFormat Keys, KvFormat Values) Formats { get; init; }

        public bool Tail { get; init; }

        public float TailLogit { get; init; } = 0.5f;

        public bool OneRow { get; init; }

        public float QueryFactor { get; init; } = 1;

        public float? Poison { get; init; }

        public GuardPlacement Placement { get; init; } = GuardPlacement.After;

        private readonly int _seed = random.Next();

        public void Check(InstructionSet set, double tolerance) => Run(set, tolerance);

        public float[] Run(InstructionSet set, double? tolerance = null, bool tile = false)
        {
            var draw = new Random(_seed);
            int keyCount = (2 * (both + first + second)) + 3;
            nint keyStride = dim + Strides.Key;
            nint valueStride = dim + Strides.Value;
            float[] keyNumbers = AttentionFormula.Gaussian(draw, (int)((keyCount - 1) * keyStride) + dim);
            float[] valueNumbers = AttentionFormula.Gaussian(draw, (int)((keyCount - 1) * valueStride) + dim);
            using var query0 = new GuardedArray<float>(AttentionFormula.Gaussian(draw, dim, QueryFactor), Placement);
            using var query1 = new GuardedArray<float>(AttentionFormula.Gaussian(draw, dim, QueryFactor), Placement);
            using var tail0 = new GuardedArray<float>(AttentionFormula.Gaussian(draw, dim), Placement);
            using var tail1 = new GuardedArray<float>(AttentionFormula.Gaussian(draw, dim), Placement);
            using var output0 = new GuardedArray<float>(dim, Placement);
            using var output1 = new GuardedArray<float>(dim, Placement);
            if (Poison is { } value)
            {
                keyNumbers[draw.Next(keyNumbers.Length)] = value;
                valueNumbers[draw.Next(valueNumbers.Length)] = value;
                query1.Span[draw.Next(dim)] = value;
                tail0.Span[draw.Next(dim)] = value;
            }

            using var keys = new GuardedRows(keyNumbers, keyStride, dim, Formats.Keys, Placement);
            using var values = new GuardedRows(valueNumbers, valueStride, dim, Formats.Values, Placement);

            // The last key is kept, so that its row is read up to the guard page.
            int[] order = new int[keyCount];
            for (int i = 0; i < keyCount; i++)
            {
                order[i] = i;
            }

            draw.Shuffle(order.AsSpan(0, keyCount - 1));
            order.AsSpan().Reverse();
            using GuardedArray<int> listBoth = Sorted(order.AsSpan(0, both));
            using GuardedArray<int> listFirst = Sorted(order.AsSpan(both, first));
            using GuardedArray<int> listSecond = Sorted(order.AsSpan(both + first, second));

            int kept = (OneRow ? both : 2 * both) + first + second;
            nint scratchFloats = GatherAttention.ScratchFloats(kept, dim);
            using var scratch = new GuardedArray<Line>((int)((scratchFloats + 15) / 16), GuardPlacement.After);
            scratch.Span.Fill(Line.Of(float.NaN));
            float scale = 1 / MathF.Sqrt(dim);
            GatherArguments arguments = new()
            {
                Row0 = new GatherRow
                {
                    Query = query0.Pointer, Output = output0.Pointer, TailSum = Tail ? 2.5f : 0, TailLogit = TailLogit,
                    TailLimit = 40, TailValue = Tail ? tail0.Pointer : null,
                },
                Row1 = new GatherRow
                {
                    Query = OneRow ? null : query1.Pointer, Output = OneRow ? null : output1.Pointer, TailSum = Tail ? 0.7f : 0,
                    TailLogit = TailLogit - 1, TailLimit = 3, TailValue = Tail ? tail1.Pointer : null,
                },
                Both = listBoth.Pointer,
                First = listFirst.Pointer,
                Second = listSecond.Pointer,
                Counts = new SplitCounts { Both = both, First = first, Second = second },
                Keys = keys.Rows,
                Values = values.Rows,
                Dim = dim,
                Scale = scale,
                Scratch = (float*)scratch.Pointer,
            };
            GatherAttentionKernel kernel = KernelVariants.Kernel(GatherAttention.Kernels, set);
            if (tile)
            {
                AttendTile(kernel, arguments, scratchFloats);
            }
            else
            {
                kernel.Attend(&arguments);
            }

            if (tolerance is { } limit)
            {
                double[] expected = AttentionFormula.Row(
                    query0.Pointer, keys.Exact, keyStride, values.Exact, valueStride, dim, scale, [.. listBoth.Span[..both], .. listFirst.Span[..first]],
                    arguments.Row0.TailSum, arguments.Row0.TailLogit, arguments.Row0.TailLimit, arguments.Row0.TailValue);
                double error = AttentionFormula.RelativeError(output0.Span, expected);
                Assert.True(error <= limit, $"row 0, dim {dim}, {both}/{first}/{second}: error {error:E1}");
                if (!OneRow)
                {
                    expected = AttentionFormula.Row(
                        query1.Pointer, keys.Exact, keyStride, values.Exact, valueStride, dim, scale,
                        [.. listBoth.Span[..both], .. listSecond.Span[..second]], arguments.Row1.TailSum, arguments.Row1.TailLogit, arguments.Row1.TailLimit, arguments.Row1.TailValue);
                    error = AttentionFormula.RelativeError(output1.Span, expected);
                    Assert.True(error <= limit, $"row 1, dim {dim}, {both}/{first}/{second}: error {error:E1}");
                }
            }

            return [.. output0.Span, .. output1.Span];
        }

        /// <summary>
        /// A tile of this pair, one of its first row alone and the pair again, so often that kernels take the rows for near ones; only the last
        /// writes the problem's outputs.
        /// </summary>
        private static void AttendTile(GatherAttentionKernel kernel, GatherArguments arguments, nint scratchFloats)
        {
            const int Count = 6;
            int dim = arguments.Dim;
            nint scratchLines = (scratchFloats + 15) / 16;
            using var outputs = new GuardedArray<float>(Count * 2 * dim, GuardPlacement.After);
            using var scratch = new GuardedArray<Line>((int)(Count * scratchLines), GuardPlacement.After);
            GatherArguments* pairs = stackalloc GatherArguments[Count];
            for (int p = 0; p < Count - 1; p++)
            {
                pairs[p] = arguments;
                pairs[p].Row0.Output = outputs.Pointer + (p * 2 * dim);
                pairs[p].Row1.Output = pairs[p].Row0.Output + dim;
                pairs[p].Scratch = (float*)(scratch.Pointer + (p * scratchLines));
            }

            pairs[1].Row1 = default;
            pairs[1].Counts.Second = 0;
            pairs[Count - 1] = arguments;
            kernel.AttendTile(pairs, Count);
            for (int p = 0; p < Count - 1; p++)
            {
                if (p != 1)
                {
                    Assert.Equal(new Span<float>(arguments.Row0.Output, dim), outputs.Span.Slice(p * 2 * dim, dim));
                    Assert.Equal(new Span<float>(arguments.Row1.Output, dim), outputs.Span.Slice((p * 2 * dim) + dim, dim));
                }
            }
        }

        /// <summary>The indices in order, and the entries behind them that a kernel may overwrite.</summary>
        private static GuardedArray<int> Sorted(Span<int> indices)
        {
            indices.Sort();
            var list = new GuardedArray<int>(indices.Length + TopKSelect.ListSlack, GuardPlacement.After);
            indices.CopyTo(list.Span);
            return list;
        }
    }
}
