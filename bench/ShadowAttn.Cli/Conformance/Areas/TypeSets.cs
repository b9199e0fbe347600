using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Which sets of data types a backend's validation takes for an operator.</summary>
internal static class TypeSets
{
    /// <summary>Status of validation where a set of types is not for this operator.</summary>
    public const ulong ValidationFailure = 3110;

    /// <summary>Types that operands of this backend may have.</summary>
    public static QnnDataType[] All { get; } =
    [
        QnnDataType.UFixed8, QnnDataType.SFixed8, QnnDataType.UFixed16, QnnDataType.SFixed16, QnnDataType.Float16, QnnDataType.Float32,
        QnnDataType.Int32, QnnDataType.UInt32, QnnDataType.Bool8,
    ];

    /// <summary>Every set of so many types.</summary>
    public static IEnumerable<QnnDataType[]> Combinations(QnnDataType[] types, int operands) => operands == 0
        ? [[]]
        : Combinations(types, operands - 1).SelectMany(first => types.Select(last => (QnnDataType[])[.. first, last]));

    /// <summary>Validation refuses every set that HTP has not.</summary>
    /// <param name="candidates">Sets to try.</param>
    /// <param name="accepted">Sets that the operator must have; not tried here.</param>
    /// <param name="optional">Sets that HTP has besides; another backend may refuse them.</param>
    /// <param name="validate">Status of validating a set.</param>
    /// <exception cref="CheckFailedException">It takes others, or refuses with another status.</exception>
    public static Verdict RefusesOthers(
        IEnumerable<QnnDataType[]> candidates, QnnDataType[][] accepted, QnnDataType[][] optional, Func<QnnDataType[], ulong> validate)
    {
        var wrong = new List<string>();
        var taken = new List<string>();
        int refused = 0;
        foreach (QnnDataType[] set in candidates)
        {
            if (IsAmong(accepted, set))
            {
                continue;
            }

            ulong status = validate(set);
            if (status == ValidationFailure)
            {
                refused++;
            }
            else if (status == Expect.Success && IsAmong(optional, set))
            {
                taken.Add(Name(set));
            }
            else
            {
                wrong.Add($"{Name(set)}: {Expect.Name(status)}");
            }
        }

        Expect.That(wrong.Count == 0, $"backendValidateOpConfig: expected {Expect.Name(ValidationFailure)}, actual {string.Join("; ", wrong)}");
        return Verdict.Pass($"{refused} sets refused{(taken.Count == 0 ? "" : $"; also taken: {string.Join(", ", taken)}")}");
    }

    /// <summary>The same type throughout, for each of some types.</summary>
    public static QnnDataType[][] Same(int operands, params QnnDataType[] types) => [.. types.Select(type => Enumerable.Repeat(type, operands).ToArray())];

    private static bool IsAmong(QnnDataType[][] sets, QnnDataType[] set) => sets.Any(known => known.AsSpan().SequenceEqual(set));

    /// <summary>A set in words; the last type is the output's.</summary>
    public static string Name(QnnDataType[] set) => $"{string.Join(" x ", set[..^1].Select(Operand.Name))} -> {Operand.Name(set[^1])}";
}
