using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Terminal;

namespace ShadowAttn.Cli.Calibrate;

/// <summary>Calibrates on some traces and measures on these and others, against a uniform share of as many keys.</summary>
internal sealed class CalibrateCommand(CalibrationOptions options, int minKeys, int threads)
{
    private sealed record Layer(string Path, int Number, MassCurves Curves);

    /// <summary>Reads the traces, makes the profile and measures it.</summary>
    /// <param name="inputs">The traces to calibrate on.</param>
    /// <param name="checks">The traces to measure on as well; may be none.</param>
    /// <param name="output">Where the profile will be.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <exception cref="InputException">A trace cannot be read, names no layer, or has another shape than the first.</exception>
    public (CalibrationProfile Profile, CalibrateReport Report) Execute(string[] inputs, string[] checks, string output, ProgressReporter progress)
    {
        Calibrator? calibrator = null;
        AttentionOptions? shape = null;
        string? model = null;
        int all = inputs.Length + checks.Length;
        List<Layer> seen = [];
        List<Layer> unseen = [];
        for (int i = 0; i < all; i++)
        {
            progress.Report("curves", i, all);
            bool isInput = i < inputs.Length;
            using TraceInput trace = TraceInput.Open(isInput ? inputs[i] : checks[i - inputs.Length]);
            AttentionOptions own = Options(trace);
            shape ??= own;
            model ??= trace.Model;
            int number = Number(trace, own, shape, inputs[0]);
            MassCurves curves = MassCurves.Measure(own, trace.Q, trace.K);
            (isInput ? seen : unseen).Add(new Layer(trace.Path, number, curves));
            if (isInput)
            {
                calibrator ??= new Calibrator(model, shape);
                calibrator.Add(number, curves, KeyStatistics.Measure(trace.K));
            }
            else if (seen.All(layer => layer.Number != number))
            {
                throw new InputException($"{trace.Path}: is of layer {number}, of which there is no trace among --input");
            }
        }

        CalibrationProfile profile = calibrator!.Build(options);
        return (profile, new CalibrateReport
        {
            Output = output,
            Model = model,
            Budget = profile.Budget,
            TargetMass = profile.TargetMass,
            MinKeys = minKeys,
            Layers =
            [
                .. profile.Layers.Select(l => new LayerReport(l.Layer, l.Dense, l.Keep, l.Keep.Average(), l.CapturedMass)),
            ],
            Inputs = Measure(profile, seen),
            Checks = unseen.Count > 0 ? Measure(profile, unseen) : null,
        });
    }

    private AttentionOptions Options(TraceInput trace) => new()
    {
        Heads = trace.Heads,
        KvHeads = trace.KvHeads,
        HeadDim = trace.HeadDim,
        Causal = trace.Causal,
        Scale = trace.Scale,
        MinKeys = minKeys,
        Threads = threads,
    };

    private static int Number(TraceInput trace, AttentionOptions own, AttentionOptions shape, string first)
    {
        if (trace.Layer is not { } layer)
        {
            throw new InputException($"{trace.Path}: metadata has no layer; a profile needs to know which layer the trace is of");
        }

        return own.Heads == shape.Heads && own.KvHeads == shape.KvHeads && own.HeadDim == shape.HeadDim
            ? layer
            : throw new InputException(
                $"{trace.Path}: has {own.Heads} heads, {own.KvHeads} KV heads, dim {own.HeadDim}; {first} has {shape.Heads}, {shape.KvHeads}, {shape.HeadDim}");
    }

    /// <summary>What the profile captures in its sparse layers, and what the uniform share does that keeps as many keys in all.</summary>
    private static ComparisonReport Measure(CalibrationProfile profile, List<Layer> layers)
    {
        List<TraceReport> traces = [];
        Layer[] sparse = [.. layers.Where(l => !profile.Find(l.Number)!.Dense)];
        if (sparse.Length == 0)
        {
            return new ComparisonReport(1, 1, 1, 1, []);
        }

        double budget = sparse.Average(l => Kept(l.Curves, head => profile.Find(l.Number)!.Keep[head]));
        double uniform = UniformRatio(sparse, budget);
        foreach (Layer layer in sparse)
        {
            double[] keep = profile.Find(layer.Number)!.Keep;
            traces.Add(new TraceReport(
                layer.Path,
                layer.Number,
                Kept(layer.Curves, head => keep[head]),
                Mass(layer.Curves, head => keep[head]),
                WorstMass(layer.Curves, head => keep[head]),
                Mass(layer.Curves, _ => uniform),
                WorstMass(layer.Curves, _ => uniform)));
        }

        return new ComparisonReport(budget, uniform, traces.Average(t => t.CapturedMass), traces.Average(t => t.UniformMass), [.. traces]);
    }

    /// <summary>The ratio at which all rows keep so many keys in the mean: by bisection, since it grows with the ratio.</summary>
    private static double UniformRatio(Layer[] layers, double kept)
    {
        double low = 0;
        double high = 1;
        for (int i = 0; i < 40; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = layers.Average(l => Kept(l.Curves, _ => middle)) < kept ? (middle, high) : (low, middle);
        }

        return high;
    }

    private static IEnumerable<(double Mass, double Kept)> Heads(MassCurves curves, Func<int, double> ratio) =>
        Enumerable.Range(0, curves.Heads).Select(head => curves.At(head, ratio(head)));

    private static double Mass(MassCurves curves, Func<int, double> ratio) => Heads(curves, ratio).Average(h => h.Mass);

    private static double WorstMass(MassCurves curves, Func<int, double> ratio) => Heads(curves, ratio).Min(h => h.Mass);

    private static double Kept(MassCurves curves, Func<int, double> ratio) => Heads(curves, ratio).Average(h => h.Kept);
}
