namespace ShadowAttn.Attention;

/// <summary>
/// Whether the kept keys are certified to be the exact top: keys that the pilot's error might have misplaced get an exact score. The error of an
/// estimate q8·k8 is |q|·|ε_k| + |ε_q|·|k8| and half a score step at most, with ε the quantisation residuals (Cauchy-Schwarz).
/// </summary>
public enum ExactTopK
{
    /// <summary>The pilot decides.</summary>
    None,

    /// <summary>The bound as it is: the kept keys are the exact top, always.</summary>
    Sure,

    /// <summary>
    /// Two standard errors: residuals point nowhere in particular, so the first two terms of the bound are over √headDim and a rounding is uniform; errors
    /// add up in squares. Nearly always exact.
    /// </summary>
    TwoErrors,

    /// <summary>Three standard errors.</summary>
    ThreeErrors,
}
