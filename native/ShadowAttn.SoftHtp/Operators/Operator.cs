using ShadowAttn.SoftHtp.Execution;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>An operator of the op package <c>qti.aisw</c>.</summary>
internal abstract class Operator
{
    /// <summary>Every operator by its type name.</summary>
    internal static readonly Operator[] All =
    [
        new MatMulOperator(), new QuantizeOperator(), new DequantizeOperator(), new ConvertOperator(), new SoftmaxOperator(), new TopKOperator(),
        new TransposeOperator(), new ReshapeOperator(),
        new ElementWiseOperator(ElementWiseFunction.Add), new ElementWiseOperator(ElementWiseFunction.Subtract),
        new ElementWiseOperator(ElementWiseFunction.Multiply), new ElementWiseOperator(ElementWiseFunction.Divide),
        new ElementWiseOperator(ElementWiseFunction.Minimum), new ElementWiseOperator(ElementWiseFunction.Maximum),
    ];

    internal abstract string TypeName { get; }

    internal static Operator? Find(string typeName) => Array.Find(All, op => op.TypeName == typeName);

    /// <summary>What HTP's validation would refuse about <paramref name="call"/>; null when it accepts.</summary>
    internal abstract string? Refuse(OpCall call);

    /// <summary>The executable form of an accepted call.</summary>
    internal abstract Step Compile(OpCall call, StepOptions options);
}

/// <summary>What a step is compiled for.</summary>
/// <param name="Workers">Threads that may work on it at most.</param>
/// <param name="HalfPrecision">Whether the graph computes floats in FLOAT_16.</param>
internal readonly record struct StepOptions(int Workers, bool HalfPrecision);
