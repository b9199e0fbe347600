using ShadowAttn.Kernels;

namespace ShadowAttn.InstructionCount;

/// <summary>The queries of one head and the stages of the sparse and the dense way, each between two marks.</summary>
internal sealed unsafe class QueryHead
{
    private const int Tokens = Case.Tokens;
    private const int Words = Tokens / 64;

    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly TopKSelectKernel select = TopKSelect.Kernels.Best.Kernel;
    private readonly GatherAttentionKernel gather = GatherAttention.Kernels.Best.Kernel;
    private readonly Counter counter;
    private readonly Case shape;
    private readonly KvHead kv;
    private readonly int dim;
    private readonly int weight;
    private readonly float* queries;
    private readonly sbyte* q8;
    private readonly float* queryScales;
    private readonly sbyte* scores;
    private readonly sbyte* scoresAgain;
    private readonly ulong* masks;
    private readonly ulong* masksAgain;
    private readonly TopKResult* results;
    private readonly int* lists;
    private readonly int* listsAgain;
    private readonly int[] offsets = new int[Tokens / 2];
    private readonly SplitCounts[] counts = new SplitCounts[Tokens / 2];
    private readonly SplitCounts[] countsAgain = new SplitCounts[Tokens / 2];
    private readonly float* output;
    private readonly float* outputAgain;
    private readonly float* scratch;
    private readonly PairParts parts;
    private float tails;

    public QueryHead(Trace trace, Case shape, KvHead kv, int kvHead, int j, Counter counter)
    {
        (this.shape, this.kv, this.counter, dim, weight) = (shape, kv, counter, shape.Dim, shape.Weight(j));
        queries = Block.Allocate<float>(Tokens * dim);
        for (int token = 0; token < Tokens; token++)
        {
            for (int d = 0; d < dim; d++)
            {
                int head = ((kvHead + (d / Trace.Dim)) % trace.KvHeads * trace.Group) + j;
                queries[(token * dim) + d] = (float)trace.Q[(((head * trace.Tokens) + token) * Trace.Dim) + (d % Trace.Dim)];
            }
        }

        q8 = Block.Allocate<sbyte>(Tokens * dim);
        queryScales = Block.Allocate<float>(Tokens);
        scores = Block.Allocate<sbyte>(Tokens * Tokens);
        scoresAgain = Block.Allocate<sbyte>(Tokens * Tokens);
        masks = Block.Allocate<ulong>(Tokens * Words);
        masksAgain = Block.Allocate<ulong>(Tokens * Words);
        results = Block.Allocate<TopKResult>(Tokens);
        int room = 0;
        for (int pair = 0; pair < Tokens / 2; pair++)
        {
            offsets[pair] = room;
            room += 3 * ListRoom(pair);
        }

        lists = Block.Allocate<int>(room);
        listsAgain = Block.Allocate<int>(room);
        output = Block.Allocate<float>(Tokens * dim);
        outputAgain = Block.Allocate<float>(Tokens * dim);
        scratch = Block.Allocate<float>(
            Math.Max(GatherAttention.ScratchFloats(4 * Tokens, dim), KvHead.Dense.ScratchFloats(KvHead.Dense.RowBlock, dim)));
        parts = new PairParts(counter, shape, weight, kv);
    }

    public void Count()
    {
        CountPilot();
        CountSelection();
        CountGather();
        CountDense();
    }

    private static int ListRoom(int pair) => Case.Kept((2 * pair) + 2) + TopKSelect.ListSlack;

    private static int VisibleTiles(int row, int rows, int keyTile) => Math.Min(Tokens, (row + rows + keyTile - 1) / keyTile * keyTile);

    private void CountPilot()
    {
        Count("quantise-queries", "AdvSimd", () => quantize.Queries(queries, dim, Tokens, dim, kv.Power, shape.Sigma0, q8, dim, queryScales));
        Count("scores", "Dp", () => Scores(KvHead.WithDp, kv.Packed, scores));
        Count("scores", "AdvSimd", () => Scores(KvHead.WithoutDp, kv.PackedWithoutDp, scoresAgain));
        Check.Equal("scores without dot product", scores, scoresAgain, Tokens, Tokens, causal: true);
        Count("scores", "C Dp", () => Yardstick.DotScores(q8, kv.Packed, Tokens, dim, scoresAgain));
        Check.Equal("scores in C", scores, scoresAgain, Tokens, Tokens, causal: true);
        Count("scores", "C AdvSimd", () => Yardstick.WrapScores(q8, kv.K8, Tokens, dim, scoresAgain));
        Check.Equal("scores in C without dot product", scores, scoresAgain, Tokens, Tokens, causal: true);
    }

    private void CountSelection()
    {
        Count("select", "AdvSimd", Select);
        Count("select", "C AdvSimd", () =>
        {
            int guess = 0;
            for (int row = 0; row < Tokens; row++)
            {
                guess = Yardstick.Select(scores + (row * Tokens), row + 1, Case.Kept(row + 1), guess, masksAgain + (row * Words));
            }
        });
        Check.Equal("masks in C", (byte*)masks, (byte*)masksAgain, Tokens * Words * sizeof(ulong));
        Count("split", "AdvSimd", () =>
        {
            for (int pair = 0; pair < Tokens / 2; pair++)
            {
                fixed (SplitCounts* result = &counts[pair])
                {
                    int* list = lists + offsets[pair];
                    ulong* mask = masks + (2 * pair * Words);
                    select.Split(mask, mask + Words, MaskWords(pair), list, list + ListRoom(pair), list + (2 * ListRoom(pair)), result);
                }
            }
        });
        Count("split", "C AdvSimd", () =>
        {
            for (int pair = 0; pair < Tokens / 2; pair++)
            {
                fixed (SplitCounts* result = &countsAgain[pair])
                {
                    int* list = listsAgain + offsets[pair];
                    ulong* mask = masks + (2 * pair * Words);
                    Yardstick.Split(mask, mask + Words, MaskWords(pair), list, list + ListRoom(pair), list + (2 * ListRoom(pair)), (int*)result);
                }
            }
        });
        for (int pair = 0; pair < Tokens / 2; pair++)
        {
            Check.Equal("lists in C", counts[pair], countsAgain[pair], lists + offsets[pair], listsAgain + offsets[pair], ListRoom(pair));
        }

        Count("tail-mass", "Dp", () => TailMasses(TailMass.Kernels.UpTo(InstructionSet.Dp).Kernel));
        Count("tail-mass", "AdvSimd", () => TailMasses(TailMass.Kernels.UpTo(InstructionSet.AdvSimd).Kernel));
    }

    private void CountGather()
    {
        GatherArguments* pairs = Block.Allocate<GatherArguments>(Tokens / 2);
        for (int pair = 0; pair < Tokens / 2; pair++)
        {
            int* list = lists + offsets[pair];
            pairs[pair] = new GatherArguments
            {
                Row0 = new GatherRow { Query = queries + (2 * pair * dim), Output = output + (2 * pair * dim) },
                Row1 = new GatherRow { Query = queries + (((2 * pair) + 1) * dim), Output = output + (((2 * pair) + 1) * dim) },
                Both = list,
                First = list + ListRoom(pair),
                Second = list + (2 * ListRoom(pair)),
                Counts = counts[pair],
                Keys = kv.Keys,
                Values = kv.Values,
                Dim = dim,
                Scale = shape.Scale,
                Scratch = scratch,
            };
        }

        Count("gather", "AdvSimd", () =>
        {
            for (int pair = 0; pair < Tokens / 2; pair++)
            {
                gather.Attend(pairs + pair);
            }
        });
        parts.Count(pairs, Tokens / 2);
        CountFormat(pairs, KvFormat.F16, "f16", 2e-3f);
        CountFormat(pairs, KvFormat.BF16, "bf16", 1e-1f);
        CountFormat(pairs, KvFormat.Q16, "q16", 1e-3f);
    }

    private void CountFormat(GatherArguments* pairs, KvFormat format, string name, float tolerance)
    {
        GatherArguments* narrow = Block.Allocate<GatherArguments>(Tokens / 2);
        for (int pair = 0; pair < Tokens / 2; pair++)
        {
            narrow[pair] = pairs[pair];
            narrow[pair].Row0.Output = outputAgain + (2 * pair * dim);
            narrow[pair].Row1.Output = outputAgain + (((2 * pair) + 1) * dim);
            (narrow[pair].Keys, narrow[pair].Values) = kv.In(format);
        }

        Count("gather/" + name, "AdvSimd", () =>
        {
            for (int pair = 0; pair < Tokens / 2; pair++)
            {
                gather.Attend(narrow + pair);
            }
        });
        Check.Near("gather attention of " + name, output, outputAgain, Tokens * dim, tolerance);
    }

    private void CountDense()
    {
        DenseArguments arguments = new()
        {
            QueryStride = dim,
            VisibleStep = 1,
            PackedKeys = kv.DensePacked,
            Values = kv.Values,
            Dim = dim,
            Scale = shape.Scale,
            OutputStride = dim,
            Scratch = scratch,
        };
        int block = KvHead.Dense.RowBlock;
        Count("dense", "AdvSimd", () =>
        {
            DenseArguments rows = arguments;
            for (int row = 0; row < Tokens; row += block)
            {
                rows.Queries = queries + (row * dim);
                rows.Output = output + (row * dim);
                rows.FirstVisible = row + 1;
                rows.Rows = Math.Min(block, Tokens - row);
                KvHead.Dense.Attend(&rows);
            }
        });
        Count("dense", "C AdvSimd", () => Yardstick.Dense(
            queries, kv.DensePacked, kv.V, Tokens, dim, shape.Scale, outputAgain, scratch));
        Check.Near("dense attention in C", output, outputAgain, Tokens * dim);
    }

    private void Count(string name, string implementation, Action run) => counter.Count(name, shape.Name, implementation, weight, run);

    private int MaskWords(int pair) => ((2 * pair) + 2 + 63) / 64;

    private void Scores(in Int8ScoresKernel kernel, byte* packed, sbyte* target)
    {
        for (int row = 0; row < Tokens; row += kernel.RowTile)
        {
            int rows = Math.Min(kernel.RowTile, Tokens - row);
            kernel.Scores(
                q8 + (row * dim), dim, rows, packed, VisibleTiles(row, rows, kernel.KeyTile), dim, shape.Shift, target + (row * Tokens), Tokens);
        }
    }

    private void Select()
    {
        int guess = 0;
        for (int row = 0; row < Tokens; row++)
        {
            select.Select(scores + (row * Tokens), row + 1, Case.Kept(row + 1), guess, masks + (row * Words), results + row);
            guess = results[row].Threshold;
        }
    }

    private void TailMasses(TailMassKernel kernel)
    {
        const float Step = 0.05f;
        for (int row = 0; row < Tokens; row++)
        {
            tails += kernel.Sum(scores + (row * Tokens), masks + (row * Words), row + 1, results[row].Threshold, Step);
        }
    }
}
