using System.Globalization;

namespace ShadowAttn.Cli.Conformance.Reference;

/// <summary>How far a backend's output is from the exact one.</summary>
/// <param name="Count">Outputs compared.</param>
/// <param name="Worst">Largest distance: in steps of a fixed-point output, or of a float's value.</param>
/// <param name="Where">The output that is farthest off.</param>
/// <param name="Got">Its value as stored.</param>
/// <param name="Exact">What it should be, not rounded.</param>
internal readonly record struct Comparison(int Count, double Worst, int Where, double Got, double Exact)
{
    /// <summary>Compares an output with exact real values, which saturate as the output's type does.</summary>
    public static Comparison Of(Operand output, ReadOnlySpan<double> exact)
    {
        var result = new Comparison(exact.Length, -1, 0, 0, 0);
        for (int i = 0; i < exact.Length; i++)
        {
            double wanted = output.InSteps(exact[i]);
            double got = output.Stored(i);
            double distance = Math.Abs(got - wanted);
            if (!(distance <= result.Worst))
            {
                result = new Comparison(exact.Length, double.IsNaN(distance) ? double.PositiveInfinity : distance, i, got, wanted);
            }
        }

        return result;
    }

    /// <summary>All outputs are within a distance.</summary>
    /// <exception cref="CheckFailedException">One is not.</exception>
    public Verdict Within(double most, string what, string unit = "steps")
    {
        // The exact value is a double, the backend's scales are floats: equal to half a step means equal but for that.
        const double rounding = 1e-4;
        Expect.That(Worst <= most + rounding, Invariant(
            $"{what}: expected {Exact:G9} within {most:G4} {unit}, actual {Got:G9} at output {Where} of {Count}, {Worst:G4} {unit} off"));
        return Verdict.Pass(Invariant($"{what}: {Count:N0} outputs, at most {Worst:G3} {unit} from exact"));
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
