namespace ShadowAttn.Attention;

/// <summary>Gathers what layers do on inputs, and turns it into a profile.</summary>
/// <param name="model">The model's name; may be null.</param>
/// <param name="shape">Heads, KV heads, head dim and floor that all inputs share.</param>
public sealed class Calibrator(string? model, AttentionOptions shape)
{
    private readonly SortedDictionary<int, List<(MassCurves Curves, KeyStatistics Keys)>> layers = [];

    /// <summary>Adds an input of a layer; several of the same layer are averaged.</summary>
    /// <param name="layer">The layer's number.</param>
    /// <param name="curves">Measured with the shape's heads and floor.</param>
    /// <param name="keys">Of the same input.</param>
    /// <exception cref="ArgumentException">Other heads than the shape's.</exception>
    public void Add(int layer, MassCurves curves, KeyStatistics keys)
    {
        ArgumentNullException.ThrowIfNull(curves);
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        if (curves.Heads != shape.Heads || keys.KvHeads != shape.KvHeads || keys.HeadDim != shape.HeadDim)
        {
            throw new ArgumentException(
                $"layer {layer} has {curves.Heads} heads, {keys.KvHeads} KV heads and dim {keys.HeadDim}; the profile has {shape.Heads}, {shape.KvHeads} and {shape.HeadDim}");
        }

        if (!layers.TryGetValue(layer, out List<(MassCurves, KeyStatistics)>? inputs))
        {
            layers.Add(layer, inputs = []);
        }

        inputs.Add((curves, keys));
    }

    /// <summary>Distributes the budget among the heads of all layers that are sparse.</summary>
    /// <param name="options">What to aim at.</param>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    /// <exception cref="InvalidOperationException">Nothing has been added.</exception>
    public CalibrationProfile Build(CalibrationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (layers.Count == 0)
        {
            throw new InvalidOperationException("no layer has been added");
        }

        Dictionary<int, MassCurves> curves = layers.ToDictionary(l => l.Key, l => MassCurves.Mean([.. l.Value.Select(i => i.Curves)]));
        int[] sparse = [.. curves.Keys.Where(layer => Mass(curves[layer], _ => options.Budget) >= options.DenseBelow).Order()];
        int first = (int)Math.Ceiling(Math.Round(options.Floor * MassCurves.Steps, 6));
        int last = Math.Max(first, (int)Math.Round(options.Cap * MassCurves.Steps));
        List<IReadOnlyList<BudgetPoint>> points =
        [
            .. sparse.SelectMany(layer => Enumerable.Range(0, shape.Heads).Select(head => Points(curves[layer], head, first, last))),
        ];

        // The budget is in kept keys: what a uniform share of it keeps, floor of keys per row included.
        double budget = options.TargetMass is null && points.Count > 0 ? sparse.Average(layer => Kept(curves[layer], _ => options.Budget)) : 1;
        int[] chosen = KeepBudget.Distribute(points, budget, options.TargetMass ?? 1);
        return new CalibrationProfile
        {
            Version = CalibrationProfile.CurrentVersion,
            Model = model,
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            MinKeys = shape.MinKeys,
            Budget = options.TargetMass is null ? options.Budget : null,
            TargetMass = options.TargetMass,
            Layers = [.. curves.Keys.Order().Select(layer => Profile(layer, curves[layer], Keep(layer)))],
        };

        double[]? Keep(int layer) => Array.IndexOf(sparse, layer) is var at and >= 0
            ? [.. chosen.AsSpan(at * shape.Heads, shape.Heads).ToArray().Select(index => (double)(first + index) / MassCurves.Steps)]
            : null;
    }

    private static BudgetPoint[] Points(MassCurves curves, int head, int first, int last) =>
        [.. Enumerable.Range(first, last - first + 1).Select(step => new BudgetPoint(curves.Kept(head, step), curves.Mass(head, step)))];

    private static double Mass(MassCurves curves, Func<int, double> ratio) => Enumerable.Range(0, curves.Heads).Average(head => curves.At(head, ratio(head)).Mass);

    private static double Kept(MassCurves curves, Func<int, double> ratio) => Enumerable.Range(0, curves.Heads).Average(head => curves.At(head, ratio(head)).Kept);

    private LayerProfile Profile(int layer, MassCurves curves, double[]? keep)
    {
        KeyStatistics keys = KeyStatistics.Merge([.. layers[layer].Select(i => i.Keys)]);
        return new LayerProfile
        {
            Layer = layer,
            Dense = keep is null,
            Keep = keep ?? [.. Enumerable.Repeat(1.0, shape.Heads)],
            CapturedMass = keep is null ? 1 : Mass(curves, head => keep[head]),
            KeyMean = Rows(keys.Mean.Span),
            KeyVariance = Rows(keys.Variance.Span),
            KeyAbsMax = keys.AbsMax.ToArray(),
        };
    }

    private float[][] Rows(ReadOnlySpan<float> numbers)
    {
        var rows = new float[shape.KvHeads][];
        for (int head = 0; head < rows.Length; head++)
        {
            rows[head] = numbers.Slice(head * shape.HeadDim, shape.HeadDim).ToArray();
        }

        return rows;
    }
}
