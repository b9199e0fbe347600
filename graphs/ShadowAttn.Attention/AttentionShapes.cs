using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>The checks of a call's tensors; each message names the tensor and says what would be right.</summary>
internal static class AttentionShapes
{
    public static void Check(
        AttentionOptions options, in TensorView<float> q, in KvView k, in KvView v, in TensorView<float> o, KeptKeys? kept)
    {
        CheckTensor(q, nameof(q), options.Heads, options.HeadDim);
        CheckTensor(k, nameof(k), options.KvHeads, options.HeadDim);
        CheckTensor(v, nameof(v), options.KvHeads, options.HeadDim);
        CheckTensor(o, nameof(o), options.Heads, options.HeadDim);
        if (options.Mode == AttentionMode.NpuInt8 && (k.Format != KvFormat.F32 || v.Format != KvFormat.F32))
        {
            throw new ArgumentException($"k is {k.Format} and v is {v.Format}; mode {options.Mode} takes fp32 only", nameof(k));
        }

        if (v.Keys != k.Keys)
        {
            throw new ArgumentException($"v has {v.Keys} keys, k has {k.Keys}; they must be equal", nameof(v));
        }

        if (o.Length(1) != q.Length(1))
        {
            throw new ArgumentException($"o has {o.Length(1)} queries, q has {q.Length(1)}; they must be equal", nameof(o));
        }

        if (options.Causal && q.Length(1) > k.Keys)
        {
            throw new ArgumentException(
                $"q has {q.Length(1)} queries and k only {k.Keys} keys; causal queries are the last ones of the keys", nameof(q));
        }

        if (kept is not null && (kept.Heads != options.Heads || kept.Queries != q.Length(1) || kept.Keys != k.Keys))
        {
            throw new ArgumentException(
                $"kept is for [{kept.Heads}, {kept.Queries}, {kept.Keys}], the call is [{options.Heads}, {q.Length(1)}, {k.Keys}]", nameof(kept));
        }
    }

    /// <summary>Keys and values to append to a cache.</summary>
    public static void CheckAppended(AttentionOptions options, in KvView k, in KvView v)
    {
        CheckTensor(k, nameof(k), options.KvHeads, options.HeadDim);
        CheckTensor(v, nameof(v), options.KvHeads, options.HeadDim);
        if (v.Keys != k.Keys)
        {
            throw new ArgumentException($"v has {v.Keys} keys, k has {k.Keys}; they must be equal", nameof(v));
        }
    }

    private static void CheckTensor(in KvView tensor, string name, int heads, int dim)
    {
        if (tensor.Rank != 3)
        {
            throw new ArgumentException($"{name} has rank {tensor.Rank}; it must be [heads, rows, headDim]", name);
        }

        if (tensor.Heads != heads || tensor.Dim != dim || tensor.Keys < 1)
        {
            throw new ArgumentException(
                $"{name} is [{tensor.Heads}, {tensor.Keys}, {tensor.Dim}]; the options say [{heads}, rows >= 1, {dim}]", name);
        }

        if (tensor.ChannelStride != 1 || (tensor.Keys > 1 && tensor.RowStride < dim))
        {
            throw new ArgumentException(
                $"{name} has strides {tensor.RowStride} and {tensor.ChannelStride}; channels must be adjacent and rows at least {dim} apart", name);
        }
    }
}
