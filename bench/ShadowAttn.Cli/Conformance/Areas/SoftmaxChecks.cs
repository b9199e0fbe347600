using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Softmax: types, axis, and results within stated steps of the exact ones.</summary>
internal static unsafe class SoftmaxChecks
{
    private const string Op = "Softmax";

    private static readonly (QnnDataType[] Types, double Most)[] s_accepted =
    [
        ([UFixed8, UFixed8], 1), ([SFixed8, SFixed8], 1), ([UFixed16, UFixed16], 8),
        ([UFixed8, Float32], 1e-3), ([SFixed8, Float32], 1e-3), ([UFixed16, Float32], 1e-3),
    ];

    private static readonly QnnDataType[][] s_optional = [[SFixed16, SFixed16], [SFixed16, Float32], [Float32, Float32], [Float16, Float16]];

    public static void Run(CheckRun run)
    {
        foreach ((QnnDataType[] types, double most) in s_accepted)
        {
            run.CheckOperator(Op, TypeSets.Name(types),
                client => Within(client, Operand.Spanning(5, types[0], 1, 2, 9, 60).Filled(1), Probability(types[1]), 1, most));
        }

        run.CheckOperator(Op, "beta", client => Within(client, Operand.Spanning(5, UFixed8, 1, 1, 6, 33).Filled(2), Probability(UFixed8), 0.5f));
        run.CheckOperator(Op, "rows of one", client => Within(client, Operand.Spanning(5, UFixed8, 1, 1, 5, 1).Filled(3), Probability(UFixed8), 1));
        run.CheckOperator(Op, "equal values", Equal);
        run.CheckOperator(Op, "refuses another axis than the last", OtherAxis);
        run.CheckOperator(Op, "refuses all other types", RefusesOtherTypes);
    }

    private static Operand Probability(QnnDataType type) => type switch
    {
        SFixed8 => new Operand(type, [], 1f / 256, 128),
        UFixed16 => new Operand(type, [], 1f / 65536),
        Float32 => new Operand(type, []),
        _ => new Operand(type, [], 1f / 256),
    };

    private static Verdict Within(RawClient client, Operand source, Operand probability, float beta, double most = 1)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(source);
        graph.Add(Op, [input], [graph.Output(probability with { Shape = source.Shape })], RawParam.Real("beta", beta));
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.Softmax(source, beta)).Within(
            most, $"{source}", probability.Type.IsQuantised() ? "steps" : "absolute");
    }

    private static Verdict Equal(RawClient client)
    {
        Operand source = Operand.Spanning(5, UFixed8, 1, 1, 2, 64);
        return Within(client, source with { Data = new byte[source.Bytes] }, Probability(UFixed8), 1);
    }

    private static Verdict OtherAxis(RawClient client)
    {
        Operand source = Operand.Spanning(5, UFixed8, 1, 2, 9, 60);
        Operand output = Probability(UFixed8) with { Shape = source.Shape };
        Expect.Ok("backendValidateOpConfig with axis 3 of 4", client.Validate(Op, [source], [output], RawParam.Whole("axis", 3)));
        Expect.Status("backendValidateOpConfig with axis 2 of 4", TypeSets.ValidationFailure,
            client.Validate(Op, [source], [output], RawParam.Whole("axis", 2)));
        return Verdict.Pass("axis 2 of 4 refused");
    }

    private static Verdict RefusesOtherTypes(RawClient client) => TypeSets.RefusesOthers(
        TypeSets.Combinations(TypeSets.All, 2),
        [.. s_accepted.Select(set => set.Types)],
        s_optional,
        set => client.Validate(Op, [Operand.Spanning(5, set[0], 1, 1, 4, 16)], [Operand.Spanning(1, set[1], 1, 1, 4, 16)]));
}
