namespace ShadowAttn.Cli.Bench;

/// <summary>What bounds an operator: the peak that its rate is compared with.</summary>
public enum WorkBound
{
    /// <summary>Nothing that is measured: no share of a peak.</summary>
    None,

    /// <summary>fp32 multiply-adds.</summary>
    Fp32,

    /// <summary>8-bit multiply-adds.</summary>
    Int8,

    /// <summary>Bytes read and written, at the level of cache that the working set fits.</summary>
    Memory,
}

/// <summary>What one call does, to turn its time into rates.</summary>
/// <param name="Bound">The peak to compare with.</param>
public sealed record BenchWork(WorkBound Bound)
{
    /// <summary>Multiply-adds; one counts as two floating point operations.</summary>
    public double Macs { get; init; }

    /// <summary>Bytes read, each counted once.</summary>
    public double BytesRead { get; init; }

    /// <summary>Bytes written, each counted once.</summary>
    public double BytesWritten { get; init; }

    /// <summary>What the time is divided by to give nanoseconds per element; 0 where that is not a usual figure.</summary>
    public double Elements { get; init; }

    /// <summary>What an element is, e.g. <c>score</c>.</summary>
    public string Element { get; init; } = string.Empty;

    /// <summary>Bytes read and written.</summary>
    public double Bytes => BytesRead + BytesWritten;

    /// <summary>Work bound by multiply-adds of fp32.</summary>
    public static BenchWork Fp32(double macs) => new(WorkBound.Fp32) { Macs = macs };

    /// <summary>Work bound by multiply-adds of 8-bit numbers.</summary>
    public static BenchWork Int8(double macs) => new(WorkBound.Int8) { Macs = macs };

    /// <summary>Work bound by memory.</summary>
    public static BenchWork Memory(double bytesRead, double bytesWritten, double elements, string element) => new(WorkBound.Memory)
    {
        BytesRead = bytesRead,
        BytesWritten = bytesWritten,
        Elements = elements,
        Element = element,
    };
}
