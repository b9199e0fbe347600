namespace ShadowAttn.Model.Llama;

/// <summary>A layers' attention that knows what it has done so far.</summary>
public interface IMeasuredAttention : ILayerAttention
{
    /// <summary>Keys kept by all rows so far.</summary>
    long KeptKeys { get; }

    /// <summary>Keys visible to all rows so far.</summary>
    long VisibleKeys { get; }

    /// <summary>Wall time in the operator so far, plans and appending to caches included.</summary>
    double Milliseconds { get; }
}
