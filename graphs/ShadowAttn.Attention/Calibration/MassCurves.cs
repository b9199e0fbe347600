using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// What the heads of a layer do on some input: how much of a row's softmax mass the keys hold that the pilot ranks first, for every keep ratio.
/// Means over all rows. Not for the path of a call. <see cref="SparsityAnalysis"/> says where the mass lies.
/// </summary>
public sealed class MassCurves
{
    /// <summary>The curves are known at the keep ratios step / Steps, step from 0 to Steps.</summary>
    public const int Steps = 100;

    private readonly double[][] mass;
    private readonly double[][] kept;

    internal MassCurves(double[][] mass, double[][] kept)
    {
        this.mass = mass;
        this.kept = kept;
    }

    /// <summary>Query heads.</summary>
    public int Heads => mass.Length;

    /// <summary>Measures a layer.</summary>
    /// <param name="options">Heads, mask, scale, floor and threads; the rest does not matter.</param>
    /// <param name="q">fp32 [heads, queries, headDim].</param>
    /// <param name="k">[kvHeads, keys, headDim] of any format.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    /// <exception cref="ArgumentException">An option is wrong, or a tensor does not fit.</exception>
    /// <exception cref="OperationCanceledException">The measurement was cancelled.</exception>
    public static MassCurves Measure(AttentionOptions options, in TensorView<float> q, in KvView k, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options with
        {
            Mode = AttentionMode.ShadowCpu,
            Tail = TailCompensation.None,
            ExactTopK = ExactTopK.None,
            Crossover = false,
            Sinks = 0,
            LocalWindow = 0,
            Workers = null,
        };
        options.Validate();
        using UnmanagedBuffer output = UnmanagedBuffer.Allocate((long)options.Heads * q.Length(1) * options.HeadDim * sizeof(float));
        TensorView<float> o = output.View<float>(options.Heads, q.Length(1), options.HeadDim);
        AttentionShapes.Check(options, q, k, k, o, null);
        using var pool = new WorkerPool(options.Threads == 0 ? Environment.ProcessorCount : options.Threads);
        AttentionCall call = new() { Progress = new HeadProgress(options.Heads), Cancellation = cancellationToken };

        // The values play no part: the keys stand in for them.
        call.Bind(options, q, k, k, o);
        call.Progress.Restart(call.Queries, null);
        using var recorder = new MassRecorder(options);
        using var pipeline = new ShadowCpuPipeline(call, options, pool, new StageClock(pool.Threads), selector: recorder);
        pipeline.Run();
        cancellationToken.ThrowIfCancellationRequested();
        return recorder.Result();
    }

    /// <summary>The mean share of the mass that rows of a head capture at a step.</summary>
    /// <param name="head">The query head.</param>
    /// <param name="step">0 to <see cref="Steps"/>; at 0 a row keeps the floor.</param>
    public double Mass(int head, int step) => mass[head][step];

    /// <summary>The share of the visible keys of all rows of a head that are kept at a step; at least the step's ratio, because of the floor.</summary>
    /// <param name="head">The query head.</param>
    /// <param name="step">0 to <see cref="Steps"/>; at 0 a row keeps the floor.</param>
    public double Kept(int head, int step) => kept[head][step];

    /// <summary>The same for any keep ratio, linear between the steps.</summary>
    /// <param name="head">The query head.</param>
    /// <param name="ratio">0 to 1.</param>
    /// <returns>Share of the mass, share of the keys.</returns>
    public (double Mass, double Kept) At(int head, double ratio)
    {
        double position = Math.Clamp(ratio, 0, 1) * Steps;
        int step = Math.Min((int)position, Steps - 1);
        double part = position - step;
        return (Between(mass[head], step, part), Between(kept[head], step, part));
    }

    /// <summary>The mean of the curves of one layer on several inputs.</summary>
    /// <param name="curves">At least one; all of the same number of heads.</param>
    /// <exception cref="ArgumentException">None, or different numbers of heads.</exception>
    public static MassCurves Mean(IReadOnlyList<MassCurves> curves)
    {
        ArgumentNullException.ThrowIfNull(curves);
        if (curves.Count == 0 || curves.Any(c => c.Heads != curves[0].Heads))
        {
            throw new ArgumentException("curves of at least one input, all with the same heads, are needed", nameof(curves));
        }

        return curves.Count == 1
            ? curves[0]
            : new MassCurves(Average(curves, c => c.mass), Average(curves, c => c.kept));
    }

    private static double[][] Average(IReadOnlyList<MassCurves> curves, Func<MassCurves, double[][]> of) =>
    [
        .. Enumerable.Range(0, curves[0].Heads).Select(head =>
            Enumerable.Range(0, Steps + 1).Select(step => curves.Average(c => of(c)[head][step])).ToArray()),
    ];

    private static double Between(double[] curve, int step, double part) => curve[step] + ((curve[step + 1] - curve[step]) * part);
}
