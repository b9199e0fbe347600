using System.Globalization;

namespace ShadowAttn.Attention;

/// <summary>
/// How many of its visible keys a row keeps: a fixed share, or as many as the pilot says are needed for a share of the softmax mass.
/// </summary>
public readonly record struct KeepRatio
{
    private KeepRatio(double value, bool isMass)
    {
        Value = value;
        IsMass = isMass;
    }

    /// <summary>The share of keys, or of mass, in (0, 1].</summary>
    public double Value { get; }

    /// <summary>Whether <see cref="Value"/> is a share of the softmax mass instead of a share of the keys.</summary>
    public bool IsMass { get; }

    /// <summary>Every row keeps ⌈share·visible⌉ keys.</summary>
    /// <param name="share">In (0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">The share is outside (0, 1].</exception>
    public static KeepRatio Share(double share) => new(Check(share, nameof(share)), false);

    /// <summary>Every row keeps the fewest keys that carry so much of its mass by the pilot's estimate.</summary>
    /// <param name="mass">In (0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">The mass is outside (0, 1].</exception>
    public static KeepRatio Mass(double mass) => new(Check(mass, nameof(mass)), true);

    /// <summary>Parses <c>0.2</c> or <c>mass:0.9</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="keep">The ratio.</param>
    /// <returns>Whether the text is such a number in (0, 1].</returns>
    public static bool TryParse(string? text, out KeepRatio keep)
    {
        const string MassPrefix = "mass:";
        bool isMass = text?.StartsWith(MassPrefix, StringComparison.OrdinalIgnoreCase) ?? false;
        string number = isMass ? text![MassPrefix.Length..] : text ?? string.Empty;
        bool ok = double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value > 0 && value <= 1;
        keep = ok ? new KeepRatio(value, isMass) : default;
        return ok;
    }

    /// <summary>Keys that a row with <paramref name="visible"/> keys keeps by a share and a floor: min(visible, max(floor, ⌈share·visible⌉)).</summary>
    /// <param name="visible">Keys that the row may see, at least 1.</param>
    /// <param name="floor">The fewest keys to keep.</param>
    internal int Count(int visible, int floor) => Math.Min(visible, Math.Max(Math.Max(floor, 1), (int)Math.Ceiling(Value * visible)));

    /// <summary>The text that <see cref="TryParse"/> takes.</summary>
    public override string ToString() => (IsMass ? "mass:" : string.Empty) + Value.ToString(CultureInfo.InvariantCulture);

    private static double Check(double value, string name) =>
        value is > 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(name, value, "must be above 0 and at most 1");
}
