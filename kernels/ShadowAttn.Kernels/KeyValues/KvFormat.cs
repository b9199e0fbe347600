namespace ShadowAttn.Kernels;

/// <summary>How the numbers of keys and values are stored.</summary>
public enum KvFormat
{
    /// <summary>fp32.</summary>
    F32,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16: the upper half of fp32.</summary>
    BF16,

    /// <summary>int16, times a scale per channel and KV head.</summary>
    Q16,
}
