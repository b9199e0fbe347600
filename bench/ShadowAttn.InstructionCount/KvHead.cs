using ShadowAttn.Kernels;

namespace ShadowAttn.InstructionCount;

/// <summary>The keys and values of one KV head, and what the pilot and dense attention make of the keys.</summary>
internal sealed unsafe class KvHead
{
    private readonly ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
    private readonly QuantizeKernel quantize = Kernels.Quantize.Kernels.Best.Kernel;
    private readonly Dictionary<KvFormat, (KvRows Keys, KvRows Values)> formats;
    private readonly int dim;
    private readonly double* sums;
    private readonly float* mean;
    private float absMax;

    public KvHead(Trace trace, Case shape, int kvHead)
    {
        dim = shape.Dim;
        K = Block.Allocate<float>(Case.Tokens * dim);
        V = Block.Allocate<float>(Case.Tokens * dim);
        for (int token = 0; token < Case.Tokens; token++)
        {
            for (int d = 0; d < dim; d++)
            {
                int source = ((((kvHead + (d / Trace.Dim)) % trace.KvHeads * trace.Tokens) + token) * Trace.Dim) + (d % Trace.Dim);
                K[(token * dim) + d] = (float)trace.K[source];
                V[(token * dim) + d] = (float)trace.V[source];
            }
        }

        K8 = Block.Allocate<sbyte>(Case.Tokens * dim);
        Power = Block.Allocate<float>(dim);
        sums = Block.Allocate<double>(dim);
        mean = Block.Allocate<float>(dim);
        Packed = Block.Allocate<byte>(WithDp.PackedBytes(Case.Tokens, dim));
        PackedWithoutDp = Block.Allocate<byte>(WithoutDp.PackedBytes(Case.Tokens, dim));
        DensePacked = Block.Allocate<float>(Dense.PackedFloats(Case.Tokens, dim));
        formats = new[] { KvFormat.F16, KvFormat.BF16, KvFormat.Q16 }.ToDictionary(f => f, f => (Narrowed(K, f), Narrowed(V, f)));
    }

    public static Int8ScoresKernel WithDp { get; } = Int8Scores.Kernels.UpTo(InstructionSet.Dp).Kernel;

    public static Int8ScoresKernel WithoutDp { get; } = Int8Scores.Kernels.UpTo(InstructionSet.AdvSimd).Kernel;

    public static DenseAttentionKernel Dense { get; } = DenseAttention.Kernels.Best.Kernel;

    public float* K { get; }

    public float* V { get; }

    public KvRows Keys => new(K, dim);

    public KvRows Values => new(V, dim);

    public sbyte* K8 { get; }

    public float* Power { get; }

    public byte* Packed { get; }

    public byte* PackedWithoutDp { get; }

    public float* DensePacked { get; }

    /// <summary>The keys and values in a 16-bit format.</summary>
    public (KvRows Keys, KvRows Values) In(KvFormat format) => formats[format];

    /// <summary>Counts all that is done once per KV head, with its results.</summary>
    public void Count(Counter counter, string shape)
    {
        counter.Count("channel-mean", shape, "AdvSimd", 1, () => stats.AddSums(K, dim, Case.Tokens, dim, sums));
        for (int d = 0; d < dim; d++)
        {
            mean[d] = (float)(sums[d] / Case.Tokens);
            sums[d] = 0;
        }

        counter.Count("absmax", shape, "AdvSimd", 1, () => absMax = stats.AbsMax(K, dim, Case.Tokens, dim, mean));
        counter.Count(
            "quantise-keys", shape, "AdvSimd", 1, () => quantize.Keys(K, dim, Case.Tokens, dim, mean, 127 / absMax, K8, dim, sums));
        for (int d = 0; d < dim; d++)
        {
            Power[d] = (float)(sums[d] / Case.Tokens);
        }

        counter.Count("pack-keys", shape, "Dp", 1, () => WithDp.Pack(K8, dim, Case.Tokens, dim, Packed));
        counter.Count("pack-keys", shape, "AdvSimd", 1, () => WithoutDp.Pack(K8, dim, Case.Tokens, dim, PackedWithoutDp));
        counter.Count("dense/pack", shape, "AdvSimd", 1, () =>
        {
            KvRows keys = Keys;
            Dense.PackKeys(&keys, 0, Case.Tokens, dim, DensePacked);
        });
    }

    private KvRows Narrowed(float* rows, KvFormat format)
    {
        HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
        int count = Case.Tokens * dim;
        ushort* narrowed = Block.Allocate<ushort>(count);
        switch (format)
        {
            case KvFormat.F16:
                convert.F32ToF16(rows, narrowed, count);
                return new KvRows(narrowed, dim, format);
            case KvFormat.BF16:
                convert.F32ToBf16(rows, narrowed, count);
                return new KvRows(narrowed, dim, format);
            default:
                float* scales = Block.Allocate<float>(dim);
                float* inverses = Block.Allocate<float>(dim);
                for (int d = 0; d < dim; d++)
                {
                    float largest = Enumerable.Range(0, Case.Tokens).Max(token => MathF.Abs(rows[(token * dim) + d]));
                    (scales[d], inverses[d]) = (largest / short.MaxValue, short.MaxValue / largest);
                }

                convert.F32ToQ16(rows, dim, inverses, (short*)narrowed, dim, Case.Tokens, dim);
                return new KvRows(narrowed, dim, format, scales);
        }
    }
}
