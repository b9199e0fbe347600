using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>The top fifth of a row's scores as a mask, and two masks as three lists.</summary>
public unsafe class TopKSelectSuite : OperatorSuite
{
    private TopKSelectKernel kernel;
    private int keep;
    private int words;
    private int guess;
    private sbyte* scores;
    private ulong* mask;
    private ulong* neighbour;
    private int* both;
    private int* first;
    private int* second;

    /// <inheritdoc/>
    public override string Operator => TopKSelect.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(TopKSelect.Kernels);

    /// <summary>Keys of the row.</summary>
    [Params(512, 4096)]
    public int Keys { get; set; }

    /// <summary>The threshold search starts at the row's own threshold.</summary>
    [Benchmark]
    public int SelectWithGoodGuess()
    {
        TopKResult result;
        kernel.Select(scores, Keys, keep, guess, mask, &result);
        return result.Threshold;
    }

    /// <summary>The threshold search starts ten steps off.</summary>
    [Benchmark]
    public int SelectWithPoorGuess()
    {
        TopKResult result;
        kernel.Select(scores, Keys, keep, guess - 10, mask, &result);
        return result.Threshold;
    }

    /// <summary>The lists of two neighbouring rows that share most of their keys.</summary>
    [Benchmark]
    public int Split()
    {
        SplitCounts counts;
        kernel.Split(mask, neighbour, words, both, first, second, &counts);
        return counts.Both;
    }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(TopKSelect.Kernels);
        keep = (Keys + 4) / 5;
        words = (Keys + 63) / 64;
        scores = Int8(Keys, 40);
        mask = Allocate<ulong>(words);
        neighbour = Allocate<ulong>(words);
        both = Allocate<int>(Keys + TopKSelect.ListSlack);
        first = Allocate<int>(Keys + TopKSelect.ListSlack);
        second = Allocate<int>(Keys + TopKSelect.ListSlack);

        sbyte* moved = Int8(Keys, 12);
        for (int i = 0; i < Keys; i++)
        {
            moved[i] = (sbyte)Math.Clamp(moved[i] + scores[i], -127, 127);
        }

        TopKResult result;
        kernel.Select(moved, Keys, keep, 0, neighbour, &result);
        kernel.Select(scores, Keys, keep, 0, mask, &result);
        guess = result.Threshold;
    }
}
