using BenchmarkDotNet.Attributes;
using ShadowAttn.Kernels;

namespace ShadowAttn.Bench.Suites;

/// <summary>Two neighbouring rows over a fifth of the keys each, of which they share seven in ten, as rows of real traces do.</summary>
public unsafe class GatherAttentionSuite : OperatorSuite
{
    private GatherAttentionKernel kernel;
    private GatherArguments* pair;
    private GatherArguments* single;

    /// <inheritdoc/>
    public override string Operator => GatherAttention.Kernels.Name;

    /// <inheritdoc/>
    public override IEnumerable<InstructionSet> Variants => SetsOf(GatherAttention.Kernels);

    /// <summary>Keys of the head.</summary>
    [Params(512, 4096)]
    public int Keys { get; set; }

    /// <summary>Channels.</summary>
    [Params(64, 128)]
    public int Dim { get; set; }

    /// <summary>Both rows in one call.</summary>
    [Benchmark]
    public void PairOfRows() => kernel.Attend(pair);

    /// <summary>The first row alone.</summary>
    [Benchmark]
    public void OneRow() => kernel.Attend(single);

    /// <inheritdoc/>
    protected override void Prepare()
    {
        kernel = KernelOf(GatherAttention.Kernels);
        int kept = (Keys + 4) / 5;
        int shared = kept * 7 / 10;
        int own = kept - shared;
        int[] chosen = Choose(shared + (2 * own), Keys);
        float* tail = Floats(Dim);
        pair = Allocate<GatherArguments>(1);
        *pair = new GatherArguments
        {
            Row0 = new GatherRow { Query = Floats(Dim), Output = Allocate<float>(Dim), TailSum = 2, TailLogit = 1, TailValue = tail },
            Row1 = new GatherRow { Query = Floats(Dim), Output = Allocate<float>(Dim), TailSum = 2, TailLogit = 1, TailValue = tail },
            Both = Ascending(chosen.AsSpan(0, shared)),
            First = Ascending(chosen.AsSpan(shared, own)),
            Second = Ascending(chosen.AsSpan(shared + own, own)),
            Counts = new SplitCounts { Both = shared, First = own, Second = own },
            Keys = new KvRows(Floats((long)Keys * Dim), Dim),
            Values = new KvRows(Floats((long)Keys * Dim), Dim),
            Dim = Dim,
            Scale = 1 / MathF.Sqrt(Dim),
            Scratch = Allocate<float>(GatherAttention.ScratchFloats(2 * kept, Dim)),
        };
        single = Allocate<GatherArguments>(1);
        *single = *pair;
        single->Row1 = default;
        single->Both = null;
        single->First = Ascending(chosen.AsSpan(0, kept));
        single->Second = null;
        single->Counts = new SplitCounts { First = kept };
    }

    private int* Ascending(Span<int> indices)
    {
        indices.Sort();
        int* list = Allocate<int>(indices.Length + TopKSelect.ListSlack);
        indices.CopyTo(new Span<int>(list, indices.Length));
        return list;
    }
}
