using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ShadowAttn.Kernels;

/// <summary>
/// What this machine's CPU has and how far <c>SHADOWATTN_ISA</c> narrows it. Read once, at the first use of any kernel.
/// </summary>
public static class InstructionSets
{
    /// <summary>The environment variable that names the best instruction set to use, e.g. <c>scalar</c> or <c>avx2</c>.</summary>
    public const string EnvironmentVariable = "SHADOWATTN_ISA";

    /// <summary>The best instruction set that kernels use: the machine's best, or what <c>SHADOWATTN_ISA</c> asks for.</summary>
    /// <remarks>
    /// A wrong value of the variable counts as unset here, because a type initialiser must not throw; call <see cref="Validate()"/>
    /// to report it.
    /// </remarks>
    public static InstructionSet Active
    {
        get
        {
            InstructionSet best = InstructionSet.Scalar;
            foreach (InstructionSet candidate in Enum.GetValues<InstructionSet>())
            {
                if (IsAllowed(candidate))
                {
                    best = candidate;
                }
            }

            return best;
        }
    }

    /// <summary>All instruction sets that this machine can run, scalar first, best last.</summary>
    public static IReadOnlyList<InstructionSet> Supported { get; } = Array.FindAll(Enum.GetValues<InstructionSet>(), IsSupported);

    private static (InstructionSet? Limit, string? Error) Environment { get; } = ReadLimit();

    /// <summary>Whether this machine can run kernels of <paramref name="set"/>.</summary>
    /// <param name="set">The instruction set.</param>
    public static bool IsSupported(InstructionSet set) => set switch
    {
        InstructionSet.Scalar => true,
        InstructionSet.AdvSimd => AdvSimd.Arm64.IsSupported,
        InstructionSet.Dp => AdvSimd.Arm64.IsSupported && Dp.IsSupported,
        InstructionSet.Avx2 => Avx2.IsSupported && Fma.IsSupported && Bmi2.X64.IsSupported && Lzcnt.X64.IsSupported,
        InstructionSet.AvxVnni => IsSupported(InstructionSet.Avx2) && AvxVnni.IsSupported,
        InstructionSet.Avx512 => IsSupported(InstructionSet.Avx2) && Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported
            && Avx512F.VL.IsSupported && Avx512BW.VL.IsSupported && Avx512Vbmi.IsSupported,
        _ => false,
    };

    /// <summary>Whether kernels of <paramref name="set"/> may be chosen: supported, and not above <c>SHADOWATTN_ISA</c>.</summary>
    /// <param name="set">The instruction set.</param>
    public static bool IsAllowed(InstructionSet set) => IsSupported(set) && (Environment.Limit is not { } limit || set <= limit);

    /// <summary>The name used on command lines and in JSON: <c>scalar</c>, <c>advsimd</c>, <c>dp</c>, <c>avx2</c>, <c>avxvnni</c>, <c>avx512</c>.</summary>
    /// <param name="set">The instruction set.</param>
    public static string Name(InstructionSet set) => set switch
    {
        InstructionSet.Scalar => "scalar",
        InstructionSet.AdvSimd => "advsimd",
        InstructionSet.Dp => "dp",
        InstructionSet.Avx2 => "avx2",
        InstructionSet.AvxVnni => "avxvnni",
        InstructionSet.Avx512 => "avx512",
        _ => throw new ArgumentOutOfRangeException(nameof(set)),
    };

    /// <summary>Parses a name as <see cref="Name"/> gives it, ignoring case.</summary>
    /// <param name="name">The name.</param>
    /// <param name="set">The instruction set.</param>
    /// <returns>Whether the name is known; not whether the machine has it.</returns>
    public static bool TryParse(string? name, out InstructionSet set)
    {
        foreach (InstructionSet candidate in Enum.GetValues<InstructionSet>())
        {
            if (string.Equals(name, Name(candidate), StringComparison.OrdinalIgnoreCase))
            {
                set = candidate;
                return true;
            }
        }

        set = InstructionSet.Scalar;
        return false;
    }

    /// <summary>
    /// Null when <c>SHADOWATTN_ISA</c> is unset or names an instruction set of this machine; otherwise one line that says what is wrong and
    /// what would be right.
    /// </summary>
    public static string? Validate() => Environment.Error;

    /// <summary>The message for an instruction set that <paramref name="source"/> asks for and this machine cannot run.</summary>
    /// <param name="source">Where the name was given, e.g. an option.</param>
    /// <param name="name">The name as given.</param>
    /// <returns>Null when <paramref name="name"/> is fine.</returns>
    public static string? Validate(string source, string name)
    {
        string supported = string.Join(", ", Supported.Select(Name));
        if (!TryParse(name, out InstructionSet set))
        {
            return $"{source}: unknown instruction set '{name}'; this machine has {supported}";
        }

        return IsSupported(set)
            ? null
            : $"{source}: this {RuntimeInformation.ProcessArchitecture} machine cannot run '{name}'; it has {supported}";
    }

    private static (InstructionSet? Limit, string? Error) ReadLimit()
    {
        string? value = System.Environment.GetEnvironmentVariable(EnvironmentVariable);
        if (string.IsNullOrEmpty(value))
        {
            return (null, null);
        }

        string? error = Validate(EnvironmentVariable, value);
        return error is null && TryParse(value, out InstructionSet set) ? (set, null) : (null, error);
    }
}
