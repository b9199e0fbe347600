using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>
/// The top share of a row's scores as a mask, and two masks as three lists. Rows follow each other as those of a trace: each call takes the
/// next of <c>rows</c> and guesses the threshold of the one before.
/// </summary>
public sealed unsafe class TopKSelectBench() : KernelBench<TopKSelectKernel>(TopKSelect.Kernels)
{
    /// <inheritdoc/>
    public override string Summary => "the top share of a row's 8-bit scores as a mask; masks as key lists";

    /// <inheritdoc/>
    public override IReadOnlyList<BenchFunction> Functions =>
    [
        new("select", "one row after another, guessing the threshold of the row before", BenchKnobs.Keep),
        new("select-far", "the same, guessing ten steps beside it", BenchKnobs.Keep),
        new("split", "the masks of two neighbouring rows as three lists", BenchKnobs.Keep),
    ];

    /// <inheritdoc/>
    public override ShapeSyntax Syntax { get; } = new NamedShapeSyntax(new ShapeSize("keys", 4096, 1 << 24), new ShapeSize("rows", 16, 1024, Least: 2));

    /// <inheritdoc/>
    public override IReadOnlyList<string> DefaultShapes => ["keys=512", "keys=4096"];

    /// <inheritdoc/>
    protected override BenchCase Prepare(BenchRequest request, TopKSelectKernel kernel, BenchMemory memory)
    {
        int keys = request.Shape["keys"];
        int rows = request.Shape["rows"];
        int keep = SelectedRow.KeptKeys(request, Name, keys);
        int words = (keys + 63) / 64;
        sbyte* scores = memory.ScoreRows(rows, keys, 40);
        ulong* masks = memory.Allocate<ulong>((long)rows * words);
        int* both = memory.Allocate<int>(keys + TopKSelect.ListSlack);
        int* first = memory.Allocate<int>(keys + TopKSelect.ListSlack);
        int* second = memory.Allocate<int>(keys + TopKSelect.ListSlack);
        SplitCounts* counts = memory.Allocate<SplitCounts>(1);
        TopKResult* result = memory.Allocate<TopKResult>(1);
        for (int row = 0; row < rows; row++)
        {
            kernel.Select(scores + ((long)row * keys), keys, keep, result->Threshold, masks + ((long)row * words), result);
        }

        int next = 0;
        int distance = request.Function.Name == "select-far" ? 10 : 0;
        return request.Function.Name switch
        {
            "select" or "select-far" => new BenchCase(Select, BenchWork.Memory(keys, words * sizeof(ulong), keys, "score"), memory),
            "split" => new BenchCase(
                Split, BenchWork.Memory(2.0 * words * sizeof(ulong), 1.3 * keep * sizeof(int), keys, "key"), memory),
            _ => throw Unknown(request),
        };

        void Select()
        {
            int guess = Math.Max(result->Threshold - distance, -128);
            kernel.Select(scores + ((long)next * keys), keys, keep, guess, masks + ((long)next * words), result);
            next = next + 1 == rows ? 0 : next + 1;
        }

        void Split()
        {
            ulong* mask = masks + ((long)next * words);
            kernel.Split(mask, mask + words, words, both, first, second, counts);
            next = next + 2 >= rows ? 0 : next + 1;
        }
    }
}
