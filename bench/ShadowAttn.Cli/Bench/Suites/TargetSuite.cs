using ShadowAttn.Attention;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Suites;

/// <summary>
/// The suite <c>targets</c>: what the kernels are to reach on an x64 machine with AVX-512, each figure with what it is compared with in the same
/// interleaved run. On other machines the figures are measured the same way; the goals are not meant for them.
/// A: 12 heads, 2 KV heads, dim 128. B: 14 heads, 2 KV heads, dim 64. Sparse calls keep a fifth of the keys, without floor and without tail,
/// unless said otherwise.
/// </summary>
/// <param name="registry">Where the operators are looked up; peers are left out where it has none.</param>
/// <param name="threads">Numbers of threads.</param>
/// <param name="formats">How K and V are stored in sparse calls; the dense calls that they are compared with have fp32.</param>
public sealed class TargetSuite(BenchRegistry registry, IReadOnlyList<int> threads, IReadOnlyList<KvFormat> formats)
{
    /// <summary>The formats that the goals are about.</summary>
    public static IReadOnlyList<KvFormat> AllFormats { get; } = [KvFormat.F32, KvFormat.F16, KvFormat.Q16];

    /// <summary>The name of other libraries' attention in a registry that has them.</summary>
    public const string PeerAttention = "ort";

    private const string CachedAttention = "attention-cached";
    private const double DenseShareWide = 0.80;
    private const double DenseShareNarrow = 0.70;
    private const double DenseOverPeer = 2;
    private const double Sparse32 = 2.1;
    private const double Sparse16 = 2.3;
    private const double NoPilot32 = 2.9;
    private const double NoPilot16 = 3.4;
    private const double Tenth16 = 3.3;
    private const double TailCost = 0.05;
    private const double ScoresOverFma = 3;
    private const double SelectNsPerScore = 0.08;
    private const double DecodeOverDense = 2;
    private const double ConvertShare = 0.80;
    private const double NeverSlower = 0.05;

    private static readonly (string Name, string Heads, int Dim)[] s_models = [("A", "12/2x128", 128), ("B", "14/2x64", 64)];

    /// <summary>The groups in the order in which they are measured.</summary>
    public IEnumerable<SuiteGroup> Groups()
    {
        foreach (int count in threads)
        {
            foreach ((string name, string heads, int dim) in s_models)
            {
                yield return Prefill(name, heads, dim, 4096, count);
                yield return Prefill(name, heads, dim, 2048, count);
                if (formats.Any(registry.Find(CachedAttention)!.KvFormats.Contains))
                {
                    yield return Decode(name, heads, count);
                }

                yield return Crossover(name, heads, count);
            }

            yield return Scores(count);
            yield return Conversions(count);
        }

        yield return Selection();
    }

    private SuiteGroup Prefill(string name, string heads, int dim, int keys, int count)
    {
        string shape = $"{heads},{keys}x{keys},causal";
        string title = $"{name} {keys}";
        BenchEntry dense = Attention("dense", shape, count);
        BenchEntry[] peers = [.. Peers(shape, count)];
        List<BenchEntry> entries = [dense, .. peers];
        List<SuiteTarget> targets =
        [
            new($"{title} dense, share of the fp32 peak", f => f.PeakShare(dense), dim == 128 ? DenseShareWide : DenseShareNarrow, "%"),
            new($"{title} dense against ONNX Runtime's fastest", f => f.SpeedUp(dense, peers), DenseOverPeer, "x"),
        ];
        foreach (KvFormat format in formats)
        {
            string kv = Run.OptionNames.Name(format);
            BenchEntry sparse = Attention("shadow-cpu", shape, count, format);
            BenchEntry noPilot = Attention("shadow-cpu-no-pilot", shape, count, format);
            entries.AddRange([sparse, noPilot]);
            bool wide = format == KvFormat.F32;
            targets.Add(new($"{title} shadow-cpu {kv} against dense", f => f.SpeedUp(sparse, dense), wide ? Sparse32 : Sparse16, "x"));
            targets.Add(new($"{title} shadow-cpu {kv} without the pilot against dense", f => f.SpeedUp(noPilot, dense), wide ? NoPilot32 : NoPilot16, "x"));
            if (wide)
            {
                BenchEntry tail = Attention("shadow-cpu", shape, count, format, tail: TailCompensation.Mean);
                entries.Add(tail);
                targets.Add(new($"{title} shadow-cpu {kv}, what the tail mean adds", f => f.Overhead(tail, sparse), TailCost, "%", AtMost: true));
            }
            else if (name == "A" && keys == 4096)
            {
                BenchEntry tenth = Attention("shadow-cpu", shape, count, format, keep: 0.1);
                entries.Add(tenth);
                targets.Add(new($"{title} shadow-cpu {kv} keep 0.1 against dense", f => f.SpeedUp(tenth, dense), Tenth16, "x"));
            }
        }

        return new SuiteGroup($"{title}, {Threads(count)}", entries, targets);
    }

    private SuiteGroup Decode(string name, string heads, int count)
    {
        string shape = $"{heads},1x8192,causal";
        BenchEntry dense = Cached("dense", shape, count);
        OperatorBench cached = dense.Operator;
        BenchEntry[] sparse = [.. formats.Where(cached.KvFormats.Contains).Select(format => Cached("shadow-cpu", shape, count, format))];
        return new SuiteGroup(
            $"{name} decode, {Threads(count)}",
            [dense, .. sparse],
            [
                .. sparse.Select(e => new SuiteTarget(
                    $"{name} decode of 1 query, 8192 keys {Run.OptionNames.Name(e.Request.Kv)}, against dense",
                    f => f.SpeedUp(e, dense),
                    DecodeOverDense,
                    "x")),
            ]);
    }

    /// <summary>Short prompts and high ratios: the operator is to switch to dense before it becomes slower than that.</summary>
    private SuiteGroup Crossover(string name, string heads, int count)
    {
        var entries = new List<BenchEntry>();
        var targets = new List<SuiteTarget>();
        foreach (int keys in (int[])[32, 64, 128, 256, 512, 1024])
        {
            string shape = $"{heads},{keys}x{keys},causal";
            BenchEntry dense = Attention("dense", shape, count);
            entries.Add(dense);
            foreach (double keep in keys < 1024 ? (double[])[0.2] : [0.4, 0.6, 0.9])
            {
                BenchEntry sparse = Attention("shadow-cpu", shape, count, keep: keep);
                entries.Add(sparse);
                targets.Add(new(
                    FormattableString.Invariant($"{name} {keys} keep {keep}, what shadow-cpu adds to dense"),
                    f => f.Overhead(sparse, dense),
                    NeverSlower,
                    "%",
                    AtMost: true));
            }
        }

        return new SuiteGroup($"{name} short prompts and high ratios, {Threads(count)}", entries, targets);
    }

    private SuiteGroup Scores(int count)
    {
        BenchEntry[] entries = [.. s_models.Select(m => Kernel("scores", "scores", $"keys=4096,dim={m.Dim}", count))];
        return new SuiteGroup(
            $"INT8 scores, {Threads(count)}",
            entries,
            [.. entries.Select(e => new SuiteTarget($"INT8 scores, dim {e.Request.Shape["dim"]}, multiples of the fp32 peak", f => f.FmaPeaks(e), ScoresOverFma, "x"))]);
    }

    private SuiteGroup Conversions(int count)
    {
        OperatorBench convert = registry.Find("half-convert")!;
        BenchEntry[] entries = [.. convert.Functions.Select(f => Kernel(convert.Name, f.Name, "count=33554432", count))];
        return new SuiteGroup(
            $"16-bit conversions, {Threads(count)}",
            entries,
            [.. entries.Select(e => new SuiteTarget($"{e.Request.Function.Name}, share of a copy's bandwidth", f => f.PeakShare(e), ConvertShare, "%"))]);
    }

    private SuiteGroup Selection()
    {
        BenchEntry select = Kernel("select", "select", "keys=4096", 1);
        return new SuiteGroup(
            "selection, 1 thread",
            [select],
            [new("select with mask, 4096 scores per row, per score", f => f.PerElement(select), SelectNsPerScore, "ns", AtMost: true)]);
    }

    private IEnumerable<BenchEntry> Peers(string shape, int count) => registry.Find(PeerAttention) is { } peer
        ? peer.Functions.Select(f => new BenchEntry(peer, new BenchRequest(f, peer.Best, peer.Syntax.Parse("--shape", shape), count)))
        : [];

    private BenchEntry Attention(
        string function, string shape, int count, KvFormat format = KvFormat.F32, double keep = 0.2, TailCompensation tail = TailCompensation.None)
    {
        BenchEntry entry = Kernel("attention", function, shape, count);
        return entry with { Request = entry.Request with { Kv = format, Keep = KeepRatio.Share(keep), Tail = tail } };
    }

    private BenchEntry Cached(string function, string shape, int count, KvFormat format = KvFormat.F32)
    {
        BenchEntry entry = Kernel(CachedAttention, function, shape, count);
        return entry with { Request = entry.Request with { Kv = format } };
    }

    private BenchEntry Kernel(string name, string function, string shape, int count)
    {
        OperatorBench op = registry.Find(name)!;
        return new BenchEntry(op, new BenchRequest(op.Functions.Single(f => f.Name == function), op.Best, op.Syntax.Parse("--shape", shape), count));
    }

    private static string Threads(int count) => count == 1 ? "1 thread" : $"{count} threads";
}
