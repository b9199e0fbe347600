using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>The checks of a call's tensors; each message names the tensor and says what would be right.</summary>
internal static class AttentionShapes
{
    public static void Check(
        AttentionOptions options, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o, KeptKeys? kept)
    {
        CheckTensor(q, nameof(q), options.Heads, options.HeadDim);
        CheckTensor(k, nameof(k), options.KvHeads, options.HeadDim);
        CheckTensor(v, nameof(v), options.KvHeads, options.HeadDim);
        CheckTensor(o, nameof(o), options.Heads, options.HeadDim);
        if (v.Length(1) != k.Length(1))
        {
            throw new ArgumentException($"v has {v.Length(1)} keys, k has {k.Length(1)}; they must be equal", nameof(v));
        }

        if (o.Length(1) != q.Length(1))
        {
            throw new ArgumentException($"o has {o.Length(1)} queries, q has {q.Length(1)}; they must be equal", nameof(o));
        }

        if (options.Causal && q.Length(1) > k.Length(1))
        {
            throw new ArgumentException(
                $"q has {q.Length(1)} queries and k only {k.Length(1)} keys; causal queries are the last ones of the keys", nameof(q));
        }

        if (kept is not null && (kept.Heads != options.Heads || kept.Queries != q.Length(1) || kept.Keys != k.Length(1)))
        {
            throw new ArgumentException(
                $"kept is for [{kept.Heads}, {kept.Queries}, {kept.Keys}], the call is [{options.Heads}, {q.Length(1)}, {k.Length(1)}]", nameof(kept));
        }
    }

    private static void CheckTensor(in TensorView<float> tensor, string name, int heads, int dim)
    {
        if (tensor.Rank != 3)
        {
            throw new ArgumentException($"{name} has rank {tensor.Rank}; it must be [heads, rows, headDim]", name);
        }

        if (tensor.Length(0) != heads || tensor.Length(2) != dim || tensor.Length(1) < 1)
        {
            throw new ArgumentException(
                $"{name} is [{tensor.Length(0)}, {tensor.Length(1)}, {tensor.Length(2)}]; the options say [{heads}, rows >= 1, {dim}]", name);
        }

        if (tensor.Stride(2) != 1 || (tensor.Length(1) > 1 && tensor.Stride(1) < dim))
        {
            throw new ArgumentException(
                $"{name} has strides {tensor.Stride(1)} and {tensor.Stride(2)}; channels must be adjacent and rows at least {dim} apart", name);
        }
    }
}
