using ShadowAttn.Graphs;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The quantised copy of a cache's keys and the running sums of its values. Everything here is a function of the keys that the cache holds and of
/// the calibration, not of the way they came: without a calibration mean, variance and base scale are those of the first
/// <see cref="KvCache.StatisticsKeys"/> keys. A key beyond the scale is an outlier and quantised in steps that are larger by a power of two; only when
/// there are more of them than a 32nd of the keys does the scale grow, and all keys are quantised again.
/// </summary>
internal sealed unsafe class CachedKeys : KeyTables, IDisposable
{
    /// <summary>What the scale grows by.</summary>
    public const float Growth = 1.25f;

    /// <summary>Of the first n keys so many may be outliers: n / <see cref="KeysPerOutlier"/> + <see cref="FreeOutliers"/>.</summary>
    public const int KeysPerOutlier = 32;

    /// <inheritdoc cref="KeysPerOutlier"/>
    public const int FreeOutliers = 8;

    private const int Chunk = 64;
    private const int MaxShift = 20;

    private readonly int kvHeads;
    private readonly int capacity;
    private readonly int dim;
    private readonly bool pilot;
    private readonly bool calibrated;
    private readonly QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly Int8ScoresKernel scores = Int8Scores.Kernels.Best.Kernel;
    private readonly OwnedResources owned = new();
    private readonly UnmanagedBuffer[] k8;
    private readonly UnmanagedBuffer floats;
    private readonly UnmanagedBuffer values;
    private readonly UnmanagedBuffer packed;
    private readonly nint packedStride;
    private readonly bool pack;
    private readonly float* variance;
    private readonly float* baseScale;
    private readonly UnmanagedBuffer outliers;
    private readonly int[] outlierCounts;
    private readonly int outlierRoom;
    private readonly bool certified;
    private readonly UnmanagedBuffer norms;
    private readonly float* distances;

    /// <param name="kvHeads">KV heads.</param>
    /// <param name="capacity">The most keys.</param>
    /// <param name="dim">Channels.</param>
    /// <param name="mode">Which copies are wanted: packed ones for the CPU's pilot, shared memory for the backend's, none for dense attention.</param>
    /// <param name="statistics">The calibration; null to take the first keys.</param>
    /// <param name="residuals">Whether the norms that a certificate needs are wanted.</param>
    public CachedKeys(int kvHeads, int capacity, int dim, AttentionMode mode, KeyStatistics? statistics, bool residuals)
    {
        this.kvHeads = kvHeads;
        this.capacity = capacity;
        this.dim = dim;
        pilot = mode is AttentionMode.Shadow or AttentionMode.ShadowCpu;
        pack = mode == AttentionMode.ShadowCpu;
        calibrated = statistics is not null;
        outlierRoom = Allowed(capacity) + 1;
        certified = residuals;
        outlierCounts = new int[kvHeads];
        try
        {
            var memory = new PilotMemory();
            long k8Bytes = (long)(mode == AttentionMode.Shadow ? ShapeBuckets.Keys(capacity) : capacity) * dim;
            k8 = owned.Own(kvHeads, _ => mode == AttentionMode.Shadow ? memory.Allocate(k8Bytes) : UnmanagedBuffer.Allocate(pilot ? k8Bytes : 64));
            floats = owned.Own(UnmanagedBuffer.Allocate(kvHeads * ((3 * (nint)dim) + 2 + capacity) * sizeof(float)));
            values = owned.Own(UnmanagedBuffer.Allocate(checked((nint)kvHeads * ((capacity / ValueBlock) + 1) * dim * sizeof(double))));
            packedStride = pack ? (scores.PackedBytes(capacity, dim) + 63) & ~(nint)63 : 64;
            packed = owned.Own(UnmanagedBuffer.Allocate(kvHeads * packedStride));
            norms = owned.Own(UnmanagedBuffer.Allocate(residuals ? 2 * (nint)kvHeads * capacity * sizeof(float) : 64));
            outliers = owned.Own(UnmanagedBuffer.Allocate((nint)kvHeads * outlierRoom * sizeof(KeyOutlier)));
        }
        catch
        {
            owned.Dispose();
            throw;
        }

        nint channels = (nint)kvHeads * dim;
        Mean = (float*)floats.Pointer;
        Power = Mean + channels;
        variance = Power + channels;
        KeyScale = variance + channels;
        baseScale = KeyScale + kvHeads;
        distances = baseScale + kvHeads;
        if (statistics is not null)
        {
            statistics.Mean.Span.CopyTo(new Span<float>(Mean, kvHeads * dim));
            statistics.Variance.Span.CopyTo(new Span<float>(variance, kvHeads * dim));
            for (int kvHead = 0; kvHead < kvHeads; kvHead++)
            {
                baseScale[kvHead] = MathF.Max(statistics.AbsMax.Span[kvHead], Quantize.MinScale) / 127;
                SetScale(kvHead, baseScale[kvHead]);
            }

            HasStatistics = true;
        }
    }

    /// <summary>Whether mean and scale are there: always with a calibration, else from the <see cref="KvCache.StatisticsKeys"/>-th key on.</summary>
    public bool HasStatistics { get; private set; }

    /// <summary>Rows that see fewer keys keep all of them.</summary>
    public int KeepAllBelow => calibrated ? 0 : KvCache.StatisticsKeys;

    /// <summary>The buffer of one KV head's quantised keys.</summary>
    public UnmanagedBuffer K8Buffer(int kvHead) => k8[kvHead];

    /// <inheritdoc/>
    public override sbyte* K8(int kvHead) => (sbyte*)k8[kvHead].Pointer;

    /// <inheritdoc/>
    public override float* Residuals(int kvHead) => certified ? (float*)norms.Pointer + (2 * (nint)kvHead * capacity) : null;

    /// <inheritdoc/>
    public override float* Norms(int kvHead) => certified ? Residuals(kvHead) + capacity : null;

    /// <inheritdoc/>
    public override byte* Packed(int kvHead) => (byte*)packed.Pointer + (kvHead * packedStride);

    /// <inheritdoc/>
    public override double* ValuePrefix(int kvHead, int block) =>
        (double*)values.Pointer + ((((nint)kvHead * ((capacity / ValueBlock) + 1)) + block) * dim);

    /// <inheritdoc/>
    public override ReadOnlySpan<KeyOutlier> Outliers(int kvHead) => new(OutlierList(kvHead), outlierCounts[kvHead]);

    /// <summary>Takes keys [first, count) of one KV head in; <see cref="Finish"/> follows when all heads have them.</summary>
    /// <param name="kvHead">The KV head.</param>
    /// <param name="keys">All its keys as they are stored.</param>
    /// <param name="valueRows">All its values.</param>
    /// <param name="first">The first new key.</param>
    /// <param name="count">Keys that the cache has now.</param>
    /// <param name="widened">Room for fp32 [64, dim].</param>
    /// <param name="restart">Whether keys or values before the first have changed: everything is made anew.</param>
    public void Append(int kvHead, in KvRows keys, in KvRows valueRows, int first, int count, float* widened, bool restart)
    {
        first = restart ? 0 : first;
        SumValues(kvHead, valueRows, first, count, widened);
        if (!pilot || (!HasStatistics && count < KvCache.StatisticsKeys))
        {
            return;
        }

        if (!HasStatistics || (restart && !calibrated))
        {
            first = 0;
            outlierCounts[kvHead] = 0;
            Span<float> mean = new(Mean + ((nint)kvHead * dim), dim);
            float max = KeyStatistics.Measure(keys, KvCache.StatisticsKeys, mean, new Span<float>(variance + ((nint)kvHead * dim), dim));
            baseScale[kvHead] = MathF.Max(max, Quantize.MinScale) / 127;
            SetScale(kvHead, baseScale[kvHead]);
        }
        else if (restart)
        {
            outlierCounts[kvHead] = 0;
            SetScale(kvHead, baseScale[kvHead]);
        }

        FindDistances(kvHead, keys, first, count, widened);
        if (FindOutliers(kvHead, first, count))
        {
            first = 0;
        }

        QuantizeKeys(kvHead, keys, first, count, widened);
    }

    /// <summary>All KV heads have <paramref name="count"/> keys.</summary>
    public void Finish(int count) => HasStatistics |= pilot && count >= KvCache.StatisticsKeys;

    /// <summary>Forgets the keys from <paramref name="count"/> on; a scale that only they needed shrinks again.</summary>
    public void Truncate(int count, CachedRows keys, float* widened)
    {
        if (!calibrated && count < KvCache.StatisticsKeys)
        {
            HasStatistics = false;
            return;
        }

        for (int kvHead = 0; pilot && kvHead < kvHeads; kvHead++)
        {
            float before = KeyScale[kvHead];
            outlierCounts[kvHead] = 0;
            SetScale(kvHead, baseScale[kvHead]);
            FindOutliers(kvHead, 0, count);
            if (KeyScale[kvHead] != before)
            {
                QuantizeKeys(kvHead, keys.Rows(kvHead), 0, count, widened);
            }
        }
    }

    public void Dispose() => owned.Dispose();

    private void SumValues(int kvHead, in KvRows rows, int first, int count, float* widened)
    {
        for (int block = first / ValueBlock; block < count / ValueBlock; block++)
        {
            double* sums = ValuePrefix(kvHead, block + 1);
            new ReadOnlySpan<double>(ValuePrefix(kvHead, block), dim).CopyTo(new Span<double>(sums, dim));
            KvRows v = Widen(rows.From(block * ValueBlock), ValueBlock, widened);
            stats.AddSums(v.Floats, v.Stride, ValueBlock, dim, sums);
        }
    }

    private void FindDistances(int kvHead, in KvRows keys, int first, int count, float* widened)
    {
        float* mean = Mean + ((nint)kvHead * dim);
        float* distance = distances + ((nint)kvHead * capacity);
        for (int key = first; key < count; key += Chunk)
        {
            int rows = Math.Min(Chunk, count - key);
            KvRows k = Widen(keys.From(key), rows, widened);
            for (int i = 0; i < rows; i++)
            {
                distance[key + i] = stats.AbsMax(k.Floats + (i * k.Stride), k.Stride, 1, dim, mean);
            }
        }
    }

    private void QuantizeKeys(int kvHead, in KvRows keys, int first, int count, float* widened)
    {
        float* mean = Mean + ((nint)kvHead * dim);
        for (int key = first; key < count; key += Chunk)
        {
            int rows = Math.Min(Chunk, count - key);
            KvRows k = Widen(keys.From(key), rows, widened);
            quantize.Keys(k.Floats, k.Stride, rows, dim, mean, 1 / KeyScale[kvHead], K8(kvHead) + ((nint)key * dim), dim, null);
        }

        foreach (KeyOutlier outlier in Outliers(kvHead))
        {
            if (outlier.Key >= first)
            {
                KvRows k = Widen(keys.From(outlier.Key), 1, widened);
                float inverse = 1 / (KeyScale[kvHead] * (1 << outlier.Shift));
                quantize.Keys(k.Floats, k.Stride, 1, dim, mean, inverse, K8(kvHead) + ((nint)outlier.Key * dim), dim, null);
            }
        }

        if (certified)
        {
            FindResiduals(kvHead, keys, first, count, widened);
        }

        if (pack)
        {
            int start = first / scores.KeyTile * scores.KeyTile;
            scores.Pack(K8(kvHead) + ((nint)start * dim), dim, count - start, dim, Packed(kvHead) + scores.PackedBytes(start, dim));
        }
    }

    private void FindResiduals(int kvHead, in KvRows keys, int first, int count, float* widened)
    {
        float* mean = Mean + ((nint)kvHead * dim);
        ReadOnlySpan<KeyOutlier> others = Outliers(kvHead);
        for (int key = first; key < count; key++)
        {
            while (!others.IsEmpty && others[0].Key < key)
            {
                others = others[1..];
            }

            float scale = KeyScale[kvHead] * (!others.IsEmpty && others[0].Key == key ? 1 << others[0].Shift : 1);
            KvRows k = Widen(keys.From(key), 1, widened);
            (Residuals(kvHead)[key], Norms(kvHead)[key]) = QuantisationResiduals.Of(k.Floats, mean, K8(kvHead) + ((nint)key * dim), scale, dim);
        }
    }

    /// <summary>
    /// Goes over keys [first, count) in order: lists outliers, and lets the scale grow where there are too many of the keys so far. Returns whether it
    /// grew.
    /// </summary>
    private bool FindOutliers(int kvHead, int first, int count)
    {
        float* distance = distances + ((nint)kvHead * capacity);
        bool grew = false;
        for (int key = first; key < count; key++)
        {
            AddOutlier(kvHead, key, distance[key]);
            while (outlierCounts[kvHead] > Allowed(key + 1))
            {
                grew = true;
                SetScale(kvHead, KeyScale[kvHead] * Growth);
                outlierCounts[kvHead] = 0;
                for (int earlier = 0; earlier <= key && outlierCounts[kvHead] <= Allowed(key + 1); earlier++)
                {
                    AddOutlier(kvHead, earlier, distance[earlier]);
                }
            }
        }

        return grew;
    }

    private static int Allowed(int keys) => (keys / KeysPerOutlier) + FreeOutliers;

    /// <summary>Lists a key when it is beyond the scale; one that is not finite is beyond help.</summary>
    private void AddOutlier(int kvHead, int key, float distance)
    {
        float reach = KeyScale[kvHead] * (127 * (1 + 1e-6f));
        if (distance > reach && float.IsFinite(distance))
        {
            int shift = 1;
            while (shift < MaxShift && distance > reach * (1 << shift))
            {
                shift++;
            }

            OutlierList(kvHead)[outlierCounts[kvHead]++] = new KeyOutlier(key, shift);
        }
    }

    private KeyOutlier* OutlierList(int kvHead) => (KeyOutlier*)outliers.Pointer + ((nint)kvHead * outlierRoom);

    private void SetScale(int kvHead, float scale)
    {
        KeyScale[kvHead] = scale;
        float inverse = 1 / (scale * scale);
        for (int d = 0; d < dim; d++)
        {
            nint i = ((nint)kvHead * dim) + d;
            Power[i] = MathF.Min(variance[i] * inverse, 127 * 127);
        }
    }

    private KvRows Widen(in KvRows rows, int count, float* widened)
    {
        if (rows.Format == KvFormat.F32)
        {
            return rows;
        }

        rows.Widen(count, dim, widened, dim);
        return new KvRows(widened, dim);
    }
}
