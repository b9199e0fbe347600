using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>
/// Rows over their share of the keys. Neighbouring rows share seven in ten of their kept keys, and neighbouring pairs draw from the same
/// half more keys than one row keeps, as rows of real traces do.
/// </summary>
public sealed unsafe class GatherAttentionBench() : KernelBench<GatherAttentionKernel>(GatherAttention.Kernels)
{
    private const double Shared = 0.7;
    private const double Drawn = 1.5;

    /// <inheritdoc/>
    public override string Summary => "exact attention of query rows over the keys that they keep";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("attend", "a pair of rows", BenchKnobs.Keep | BenchKnobs.Kv),
        new("attend-row", "one row", BenchKnobs.Keep | BenchKnobs.Kv),
        new("attend-tile", "a tile of pairs", BenchKnobs.Keep | BenchKnobs.Kv),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(
        new ShapeSize("keys", 4096, 1 << 20), new ShapeSize("dim", 128, 4096), new ShapeSize("pairs", 8, 256));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["keys=4096,dim=64", "keys=4096,dim=128"];

    /// <inheritdoc/>
    public override IReadOnlyList<KvFormat> KvFormats => Enum.GetValues<KvFormat>();

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, GatherAttentionKernel kernel, BenchMemory memory)
    {
        int keys = request.Shape["keys"];
        int dim = request.Shape["dim"];
        int pairs = request.Function.Name == "attend-tile" ? request.Shape["pairs"] : 1;
        int rows = request.Function.Name == "attend-row" ? 1 : 2;
        int kept = SelectedRow.KeptKeys(request, Name, keys);
        int shared = rows == 1 ? 0 : Math.Clamp((int)(kept * Shared), Math.Max(0, (2 * kept) - keys), kept);
        int own = kept - shared;
        int union = shared + (rows * own);
        int[] drawn = memory.Choose(Math.Min(keys, Math.Max(union, (int)(Drawn * union))), keys);
        KvRows k = memory.KeyValues(keys, dim, request.Kv);
        KvRows v = memory.KeyValues(keys, dim, request.Kv);
        float* tail = memory.Floats(dim);
        var random = new Random(1);
        GatherArguments* arguments = memory.Allocate<GatherArguments>(pairs);
        for (int p = 0; p < pairs; p++)
        {
            random.Shuffle(drawn);
            arguments[p] = new GatherArguments
            {
                Row0 = Row(memory, dim, tail),
                Row1 = rows == 1 ? default : Row(memory, dim, tail),
                Both = Ascending(memory, drawn.AsSpan(0, shared)),
                First = Ascending(memory, drawn.AsSpan(shared, own)),
                Second = Ascending(memory, drawn.AsSpan(shared + own, rows == 1 ? 0 : own)),
                Counts = new SplitCounts { Both = shared, First = own, Second = rows == 1 ? 0 : own },
                Keys = k,
                Values = v,
                Dim = dim,
                Scale = 1 / MathF.Sqrt(dim),
                Scratch = memory.Allocate<float>(GatherAttention.ScratchFloats(2 * kept, dim)),
            };
        }

        Action run = request.Function.Name switch
        {
            "attend" or "attend-row" => () => kernel.Attend(arguments),
            "attend-tile" => () => kernel.AttendTile(arguments, pairs),
            _ => throw Unknown(request),
        };
        return new BenchCase(run, BenchWork.Fp32(2.0 * pairs * rows * kept * dim), memory);
    }

    private static GatherRow Row(BenchMemory memory, int dim, float* tail) => new()
    {
        Query = memory.Floats(dim),
        Output = memory.Allocate<float>(dim),
        TailSum = 2,
        TailLogit = 1,
        TailLimit = 4,
        TailValue = tail,
    };

    private static int* Ascending(BenchMemory memory, Span<int> indices)
    {
        int[] sorted = indices.ToArray();
        sorted.AsSpan().Sort();
        int* list = memory.Allocate<int>(sorted.Length + TopKSelect.ListSlack);
        sorted.CopyTo(new Span<int>(list, sorted.Length));
        return list;
    }
}
