using ShadowAttn.Kernels;

namespace ShadowAttn.Attention;

/// <summary>
/// What sparse attention on the CPU costs, as multiples of what dense attention takes for one key of one row. Fitted to measurements of one thread by
/// <c>ShadowAttn.Bench -- crossover</c>; the ratios hardly depend on the machine's clock, but on its instruction set and on the head's width.
/// </summary>
/// <param name="Dim">Channels of the heads that it was measured with.</param>
/// <param name="Row">Per row: quantising and preparing it, and its share of preparing the keys.</param>
/// <param name="Score">Per visible key: pilot score and selection.</param>
/// <param name="Kept">Per kept key: gather attention.</param>
/// <param name="MeanTail">Per row, with tail mean.</param>
/// <param name="LinearTail">Per row, with tail linear.</param>
internal readonly record struct CrossoverCosts(int Dim, double Row, double Score, double Kept, double MeanTail, double LinearTail)
{
    /// <summary>Of an instruction set, ascending by dim.</summary>
    public static ReadOnlySpan<CrossoverCosts> Of(InstructionSet set) => set switch
    {
        InstructionSet.Avx512 => s_avx512,
        InstructionSet.Avx2 or InstructionSet.AvxVnni => s_avx2,
        InstructionSet.Dp => s_dp,
        InstructionSet.AdvSimd => s_advSimd,
        _ => s_scalar,
    };

    /// <summary>For heads of any width: linear between the measured ones, the nearest beyond them.</summary>
    /// <param name="measured">Ascending by dim.</param>
    /// <param name="dim">Channels.</param>
    public static CrossoverCosts At(ReadOnlySpan<CrossoverCosts> measured, int dim)
    {
        CrossoverCosts a = measured[0];
        CrossoverCosts b = measured[^1];
        double part = Math.Clamp((double)(dim - a.Dim) / (b.Dim - a.Dim), 0, 1);
        return new CrossoverCosts(
            dim,
            Between(a.Row, b.Row),
            Between(a.Score, b.Score),
            Between(a.Kept, b.Kept),
            Between(a.MeanTail, b.MeanTail),
            Between(a.LinearTail, b.LinearTail));

        double Between(double x, double y) => x + (part * (y - x));
    }

    // A row of 128 channels is fitted as 23: with that, calls of 64 to 128 keys at a low ratio prepare all keys for a few sparse rows, and lose 15 to 35 %.
    private static readonly CrossoverCosts[] s_avx512 = [new(64, 64, 0.5, 1.47, 36, 114), new(128, 66, 0.411, 1.57, 20, 110)];
    private static readonly CrossoverCosts[] s_avx2 = [new(64, 101, 0.384, 1.11, 49, 101), new(128, 48, 0.357, 1.04, 28, 109)];
    private static readonly CrossoverCosts[] s_scalar = [new(64, 13, 0.132, 1.79, 4, 15), new(128, 0, 0.2, 1.79, 3, 34)];

    // Arm: from the instruction counts of bench/arm64-instructions.json, not from time; not verified on hardware.
    private static readonly CrossoverCosts[] s_dp = [new(64, 6, 0.20, 1.43, 17, 50), new(128, 5, 0.16, 1.39, 12, 80)];
    private static readonly CrossoverCosts[] s_advSimd = [new(64, 6, 0.38, 1.43, 17, 50), new(128, 5, 0.32, 1.39, 12, 80)];
}
