using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>An operator with the Q, K, V and O of its calls.</summary>
internal sealed class AttentionOperands : IDisposable
{
    private const int MostSteps = 64;

    private readonly List<IDisposable> _owned = [];
    private readonly ShadowAttention _attention;
    private readonly AttentionShape _shape;
    private readonly TensorView<float> _q;
    private readonly TensorView<float> _o;
    private readonly KvView _k;
    private readonly KvView _v;
    private readonly TensorView<float> _newKeys;
    private readonly TensorView<float> _newValues;
    private readonly KvCache? _cache;
    private readonly int _firstCount;
    private AttentionReport? _report;

    /// <summary>Copies the numbers into unmanaged memory, in the format of K and V; with a cache, into that.</summary>
    /// <exception cref="ArgumentException">Options that do not go together, or a format that caches do not have.</exception>
    public AttentionOperands(AttentionOptions options, AttentionShape shape, AttentionData data, KvFormat format, bool cached)
    {
        _shape = shape;
        _attention = Own(new ShadowAttention(null, options));
        try
        {
            _q = Copy(data.Queries, shape.Heads, shape.Queries);
            _o = Own(UnmanagedBuffer.Allocate((long)shape.QueryLength * sizeof(float))).View<float>(shape.Heads, shape.Queries, shape.HeadDim);
            if (!cached)
            {
                _k = Convert(data.Keys, format);
                _v = Convert(data.Values, format);
                return;
            }

            _newKeys = Copy(data.Keys, shape.KvHeads, shape.Keys);
            _newValues = Copy(data.Values, shape.KvHeads, shape.Keys);
            _cache = Own(_attention.CreateCache(shape.Keys, format));
            _firstCount = shape.Keys - (Math.Min(MostSteps, shape.Keys / shape.Queries) * shape.Queries);
            if (_firstCount > 0)
            {
                _cache.Append(_newKeys.Slice(1, 0, _firstCount), _newValues.Slice(1, 0, _firstCount));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>One call.</summary>
    public void Compute()
    {
        if (_cache is null)
        {
            _report = _attention.Compute(_q, _k, _v, _o);
            return;
        }

        if (_cache.Count == _shape.Keys)
        {
            _cache.Truncate(_firstCount);
        }

        _cache.Append(_newKeys.Slice(1, _cache.Count, _shape.Queries), _newValues.Slice(1, _cache.Count, _shape.Queries));
        _report = _attention.Compute(_q, _cache, _o);
    }

    /// <summary>What the pilot's stages took of the last call, in nanoseconds.</summary>
    public double PilotNs()
    {
        double ms = 0;
        foreach (OperatorTime time in _report!.Operators)
        {
            if (time.Name is "quantize" or "pilot")
            {
                ms += time.Milliseconds;
            }
        }

        return ms * 1e6;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
    }

    private KvView Convert(float[] source, KvFormat format)
    {
        using UnmanagedBuffer buffer = Fill(source);
        return Own(KvTensor.Convert(buffer.View<float>(_shape.KvHeads, _shape.Keys, _shape.HeadDim), format)).View;
    }

    private TensorView<float> Copy(float[] source, int heads, int rows) => Own(Fill(source)).View<float>(heads, rows, _shape.HeadDim);

    private static UnmanagedBuffer Fill(float[] source)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)source.Length * sizeof(float));
        source.CopyTo(buffer.AsSpan<float>());
        return buffer;
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
