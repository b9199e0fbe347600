using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The scale buckets of the paper: static per-tensor encodings from geometric ladders of three query and three key scales, nine pairs.
/// A KV head takes the smallest pair that does not saturate its inputs; the output scale of a pair is the smallest that saturates no score of
/// the heads that use it. Calibrated on the first input.
/// </summary>
internal sealed unsafe class PilotScales
{
    private const int Rungs = 3;

    private PilotScales(int kvHeads)
    {
        Query = new float[kvHeads];
        Key = new float[kvHeads];
        Output = new float[kvHeads];
    }

    /// <summary>[kvHeads]: what one step of Q8 means.</summary>
    public float[] Query { get; }

    /// <summary>[kvHeads]: what one step of K8 means.</summary>
    public float[] Key { get; }

    /// <summary>[kvHeads]: what one score step means.</summary>
    public float[] Output { get; }

    /// <summary>Chooses the buckets for a call's tensors.</summary>
    public static PilotScales Calibrate(AttentionCall call)
    {
        ChannelStatsKernel stats = ChannelStats.Kernels.Best.Kernel;
        PilotScales scales = new(call.KvHeads);
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            float queryMax = 0;
            for (int head = kvHead * call.Group; head < (kvHead + 1) * call.Group; head++)
            {
                queryMax = MathF.Max(queryMax, stats.AbsMax(call.Query(head, 0), call.QRowStride, call.Queries, call.Dim, null));
            }

            scales.Query[kvHead] = MathF.Max(queryMax, Quantize.MinScale) / 127;
            using UnmanagedBuffer buffer = Widen(call, kvHead, out KvRows keys);
            float keyMax = stats.AbsMax(keys.Floats, keys.Stride, call.Keys, call.Dim, null);
            scales.Key[kvHead] = MathF.Max(keyMax, Quantize.MinScale) / 127;
        }

        ToLadder(scales.Query);
        ToLadder(scales.Key);
        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            scales.Output[kvHead] = LargestScore(call, kvHead, scales.Query[kvHead], scales.Key[kvHead]) / 127;
        }

        for (int kvHead = 0; kvHead < call.KvHeads; kvHead++)
        {
            for (int other = 0; other < call.KvHeads; other++)
            {
                if (scales.Query[other] == scales.Query[kvHead] && scales.Key[other] == scales.Key[kvHead])
                {
                    scales.Output[kvHead] = MathF.Max(scales.Output[kvHead], scales.Output[other]);
                }
            }
        }

        return scales;
    }

    /// <summary>Replaces each scale by the smallest rung of a geometric ladder between the extremes that is not below it.</summary>
    private static void ToLadder(float[] scales)
    {
        float smallest = scales.Min();
        float largest = scales.Max();
        for (int i = 0; i < scales.Length; i++)
        {
            float exact = scales[i];
            scales[i] = largest;
            for (int rung = Rungs - 1; rung >= 1; rung--)
            {
                float scale = smallest * MathF.Pow(largest / smallest, (float)rung / Rungs);
                if (scale >= exact)
                {
                    scales[i] = scale;
                }
            }
        }
    }

    /// <summary>The keys of a head as fp32: themselves, or a copy.</summary>
    private static UnmanagedBuffer Widen(AttentionCall call, int kvHead, out KvRows keys)
    {
        keys = call.KeyRows(kvHead);
        bool copy = keys.Format != KvFormat.F32;
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(copy ? (long)call.Keys * call.Dim * sizeof(float) : sizeof(float));
        if (copy)
        {
            keys.Widen(call.Keys, call.Dim, (float*)buffer.Pointer, call.Dim);
            keys = new KvRows((float*)buffer.Pointer, call.Dim);
        }

        return buffer;
    }

    private static float LargestScore(AttentionCall call, int kvHead, float queryScale, float keyScale)
    {
        const int KeyChunk = 256;
        QuantizeKernel quantize = Quantize.Kernels.Best.Kernel;
        Int8ScoresKernel scores = Int8Scores.Kernels.Best.Kernel;
        using UnmanagedBuffer k8 = UnmanagedBuffer.Allocate((nint)KeyChunk * call.Dim);
        using UnmanagedBuffer q8 = UnmanagedBuffer.Allocate((nint)call.Queries * call.Dim);
        using UnmanagedBuffer packed = UnmanagedBuffer.Allocate(scores.PackedBytes(KeyChunk, call.Dim));
        using UnmanagedBuffer products = UnmanagedBuffer.Allocate(KeyChunk * sizeof(int));
        using UnmanagedBuffer buffer = Widen(call, kvHead, out KvRows keys);
        int largest = 1;
        for (int head = kvHead * call.Group; head < (kvHead + 1) * call.Group; head++)
        {
            quantize.Keys(call.Query(head, 0), call.QRowStride, call.Queries, call.Dim, null, 1 / queryScale, (sbyte*)q8.Pointer, call.Dim, null);
            for (int first = 0; first < call.Keys; first += KeyChunk)
            {
                int count = Math.Min(KeyChunk, call.Keys - first);
                KvRows k = keys.From(first);
                quantize.Keys(k.Floats, k.Stride, count, call.Dim, null, 1 / keyScale, (sbyte*)k8.Pointer, call.Dim, null);
                scores.Pack((sbyte*)k8.Pointer, call.Dim, count, call.Dim, (byte*)packed.Pointer);
                for (int query = 0; query < call.Queries; query++)
                {
                    int visible = Math.Min(count, call.Visible(query) - first);
                    if (visible > 0)
                    {
                        sbyte* row = (sbyte*)q8.Pointer + ((nint)query * call.Dim);
                        scores.Products(row, call.Dim, 1, (byte*)packed.Pointer, count, call.Dim, (int*)products.Pointer, KeyChunk);
                        largest = Math.Max(largest, Largest((int*)products.Pointer, visible));
                    }
                }
            }
        }

        return largest * queryScale * keyScale;
    }

    private static int Largest(int* products, int count)
    {
        int largest = 0;
        for (int i = 0; i < count; i++)
        {
            largest = Math.Max(largest, Math.Abs(products[i]));
        }

        return largest;
    }
}
