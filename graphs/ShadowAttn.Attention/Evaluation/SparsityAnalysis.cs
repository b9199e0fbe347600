using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// How sparse the attention of a layer is on some input, from exact softmax weights in double precision and in exact order: what any choice of keys could
/// reach at best. Not for the path of a call. <see cref="MassCurves"/> is the same in the order of the pilot.
/// </summary>
public sealed class SparsityAnalysis
{
    /// <summary>The shares of the mass that <see cref="HeadSparsity.KeysNeeded"/> is of.</summary>
    public static readonly IReadOnlyList<double> Masses = [0.8, 0.9, 0.95, 0.99];

    private const int RowsPerItem = 16;

    private SparsityAnalysis(int rows, HeadSparsity[] heads, KeyChannels[] keys)
    {
        Rows = rows;
        Heads = heads;
        Keys = keys;
    }

    /// <summary>Rows per head that the figures are means of: those that see at least <see cref="HeadFigures.LeastKeys"/> keys, or all if there is none.</summary>
    public int Rows { get; }

    /// <summary>A query head each.</summary>
    public IReadOnlyList<HeadSparsity> Heads { get; }

    /// <summary>A KV head each: how its keys' channels differ.</summary>
    public IReadOnlyList<KeyChannels> Keys { get; }

    /// <summary>Measures a layer.</summary>
    /// <param name="options">Heads, mask, scale and threads; the rest does not matter.</param>
    /// <param name="q">fp32 [heads, queries, headDim].</param>
    /// <param name="k">[kvHeads, keys, headDim] of any format.</param>
    /// <param name="progress">Told how many of how many rows are done; may be null.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    /// <exception cref="ArgumentException">An option is wrong, or a tensor does not fit.</exception>
    /// <exception cref="OperationCanceledException">The measurement was cancelled.</exception>
    public static SparsityAnalysis Measure(
        AttentionOptions options, in TensorView<float> q, in KvView k, Action<long, long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();

        // Nothing is written and the values play no part: queries and keys stand in for both.
        AttentionShapes.Check(options, q, k, k, q, null);
        AttentionCall call = new();
        call.Bind(options, q, k, k, q);
        int[] rows = [.. Enumerable.Range(0, call.Queries).Where(query => call.Seen(query) >= HeadFigures.LeastKeys)];
        rows = rows.Length > 0 ? rows : [.. Enumerable.Range(0, call.Queries)];
        HeadSums[] sums = [.. Enumerable.Range(0, call.Heads).Select(_ => new HeadSums())];
        var keyChannels = new KeyChannels[call.KvHeads];
        var parallel = new ParallelOptions
        {
            CancellationToken = cancellationToken,
            MaxDegreeOfParallelism = options.Threads == 0 ? -1 : options.Threads,
        };
        long done = 0;
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            double[] keys = ExactLogits.ToDouble(call.KeyRows(kvHead), call.Keys, call.Dim);
            keyChannels[kvHead] = KeyChannels.Measure(keys, call.Dim);
            int firstHead = kvHead * call.Group;
            int chunks = (rows.Length + RowsPerItem - 1) / RowsPerItem;
            Parallel.For(0, call.Group * chunks, parallel, () => new RowWeights(call), (item, _, row) =>
            {
                int head = firstHead + (item / chunks);
                ReadOnlySpan<int> queries = rows.AsSpan(item % chunks * RowsPerItem, Math.Min(RowsPerItem, rows.Length - (item % chunks * RowsPerItem)));
                HeadSums own = new();
                foreach (int query in queries)
                {
                    row.Compute(head, query, keys);
                    own.Add(row);
                }

                lock (sums[head])
                {
                    sums[head].Add(own);
                }

                progress?.Invoke(Interlocked.Add(ref done, queries.Length), (long)call.Heads * rows.Length);
                return row;
            }, _ => { });
        }

        return new SparsityAnalysis(rows.Length, Array.ConvertAll(sums, s => s.Mean()), keyChannels);
    }

    /// <summary>The softmax weights of one row: in the order of the keys, and in descending order.</summary>
    private sealed class RowWeights(AttentionCall call)
    {
        public readonly double[] Weights = new double[call.Keys];
        private readonly double[] sorted = new double[call.Keys];
        private readonly double[] query = new double[call.Dim];

        public int First { get; private set; }

        public int Visible { get; private set; }

        public int Seen => Visible - First;

        public ReadOnlySpan<double> Descending => sorted.AsSpan(0, Seen);

        public void Compute(int head, int row, double[] keys)
        {
            First = call.First(row);
            Visible = call.Visible(row);
            double top = ExactLogits.Row(call, head, row, keys, query, Weights);
            Span<double> weights = Weights.AsSpan(First, Seen);
            double sum = 0;
            foreach (ref double weight in weights)
            {
                weight = Math.Exp(weight - top);
                sum += weight;
            }

            Span<double> descending = sorted.AsSpan(0, Seen);
            for (int i = 0; i < weights.Length; i++)
            {
                weights[i] /= sum;
                descending[i] = -weights[i];
            }

            descending.Sort();
            foreach (ref double weight in descending)
            {
                weight = -weight;
            }
        }
    }

    /// <summary>Sums over rows of a head.</summary>
    private sealed class HeadSums
    {
        private readonly double[] curve = new double[MassCurves.Steps + 1];
        private readonly double[] needed = new double[Masses.Count];
        private int rows;
        private double negligible;
        private double sinks;
        private double local;
        private double effective;

        public void Add(RowWeights row)
        {
            ReadOnlySpan<double> descending = row.Descending;
            int step = 0;
            int mass = 0;
            double captured = 0;
            for (int count = 1; count <= descending.Length; count++)
            {
                captured += descending[count - 1];
                for (; step < MassCurves.Steps && (step + 1L) * descending.Length <= (long)count * MassCurves.Steps; step++)
                {
                    curve[step + 1] += captured;
                }

                // A sum of n weights is off by n·2^-53 at most; a share that is reached exactly is to count.
                for (; mass < needed.Length && captured >= Masses[mass] - 1e-12; mass++)
                {
                    needed[mass] += (double)count / descending.Length;
                }
            }

            for (; mass < needed.Length; mass++)
            {
                needed[mass]++;
            }

            Locate(row);
            rows++;
        }

        public void Add(HeadSums other)
        {
            for (int i = 0; i < curve.Length; i++)
            {
                curve[i] += other.curve[i];
            }

            for (int i = 0; i < needed.Length; i++)
            {
                needed[i] += other.needed[i];
            }

            rows += other.rows;
            negligible += other.negligible;
            sinks += other.sinks;
            local += other.local;
            effective += other.effective;
        }

        public HeadSparsity Mean() => new(
            Array.ConvertAll(curve, c => c / rows),
            Array.ConvertAll(needed, n => n / rows),
            new HeadFigures(negligible / rows, sinks / rows, local / rows, effective / rows));

        private void Locate(RowWeights row)
        {
            double entropy = 0;
            int few = 0;
            for (int key = row.First; key < row.Visible; key++)
            {
                double weight = row.Weights[key];
                few += weight * 10 * row.Seen < 1 ? 1 : 0;
                entropy -= weight > 0 ? weight * Math.Log(weight) : 0;
                sinks += key < HeadFigures.SinkKeys ? weight : 0;
                local += key >= row.Visible - HeadFigures.LocalKeys ? weight : 0;
            }

            negligible += (double)few / row.Seen;
            effective += Math.Exp(entropy);
        }
    }
}

/// <summary>How sparse a head is: means over its rows.</summary>
/// <param name="MassCurve">[<see cref="MassCurves.Steps"/> + 1]: the share of the mass on a row's ⌈step / Steps · visible⌉ heaviest keys; 0 at step 0.</param>
/// <param name="KeysNeeded">The share of the visible keys that is needed for each of <see cref="SparsityAnalysis.Masses"/>.</param>
/// <param name="Figures">Where the mass lies.</param>
public sealed record HeadSparsity(double[] MassCurve, double[] KeysNeeded, HeadFigures Figures)
{
    /// <summary>The mean of several heads.</summary>
    /// <param name="heads">At least one.</param>
    public static HeadSparsity Mean(IReadOnlyList<HeadSparsity> heads)
    {
        ArgumentNullException.ThrowIfNull(heads);
        return new HeadSparsity(
            [.. heads[0].MassCurve.Select((_, step) => heads.Average(h => h.MassCurve[step]))],
            [.. heads[0].KeysNeeded.Select((_, mass) => heads.Average(h => h.KeysNeeded[mass]))],
            HeadFigures.Mean([.. heads.Select(h => h.Figures)]));
    }
}
