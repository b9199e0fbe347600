namespace ShadowAttn.Attention;

/// <summary>How near an output is to exact attention in double precision, and how good the choice of the keys was.</summary>
/// <param name="EvaluatedRows">Rows that the figures are from; all rows unless a sample was asked for.</param>
/// <param name="RelL2Error">‖O − O_exact‖ / ‖O_exact‖.</param>
/// <param name="MaxAbsError">max |O − O_exact|.</param>
/// <param name="CapturedMass">Share of the exact softmax mass on the kept keys: mean over the rows of a head, then over heads.</param>
/// <param name="CapturedMassWorstHead">The smallest mean of a head.</param>
/// <param name="Recall">Share of the kept keys that the exact top-k keeps too, averaged like the mass.</param>
public sealed record AttentionAccuracy(
    long EvaluatedRows, double RelL2Error, double MaxAbsError, double CapturedMass, double CapturedMassWorstHead, double Recall);
