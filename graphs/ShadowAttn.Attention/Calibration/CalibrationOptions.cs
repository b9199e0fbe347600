namespace ShadowAttn.Attention;

/// <summary>What a calibration aims at.</summary>
public sealed record CalibrationOptions
{
    /// <summary>The mean share of keys that the sparse layers may keep, in (0, 1].</summary>
    public double Budget { get; init; } = 0.2;

    /// <summary>The mean captured mass to reach with as few keys as possible, in (0, 1], instead of <see cref="Budget"/>; null to spend the budget.</summary>
    public double? TargetMass { get; init; }

    /// <summary>The least share that a head gets, in (0, 1].</summary>
    public double Floor { get; init; } = 0.02;

    /// <summary>The largest share that a head gets, in [Floor, 1].</summary>
    public double Cap { get; init; } = 1;

    /// <summary>A layer that captures less than this at the uniform share <see cref="Budget"/> is not sparse and becomes dense; 0 for none. It is then no part of the budget.</summary>
    public double DenseBelow { get; init; } = 0.7;

    /// <summary>Throws when a value is out of its range.</summary>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public void Validate()
    {
        Check(Budget, nameof(Budget));
        Check(TargetMass ?? 1, nameof(TargetMass));
        Check(Floor, nameof(Floor));
        Check(Cap, nameof(Cap));
        if (Cap < Floor)
        {
            throw new ArgumentException($"{nameof(Cap)} ({Cap}) must not be below {nameof(Floor)} ({Floor})");
        }

        if (DenseBelow is not (>= 0 and <= 1))
        {
            throw new ArgumentException($"{nameof(DenseBelow)} ({DenseBelow}) must be from 0 to 1");
        }
    }

    private static void Check(double value, string name)
    {
        if (value is not (> 0 and <= 1))
        {
            throw new ArgumentException($"{name} ({value}) must be above 0 and at most 1");
        }
    }
}
