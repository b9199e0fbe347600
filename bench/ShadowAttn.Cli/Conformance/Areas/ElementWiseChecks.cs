using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>ElementWiseAdd and ElementWiseMultiply: types, broadcasting, and results within stated steps of the exact ones.</summary>
internal static unsafe class ElementWiseChecks
{
    private const string Add = "ElementWiseAdd";
    private const string Multiply = "ElementWiseMultiply";

    private static readonly QnnDataType[] s_types = [UFixed8, SFixed8, UFixed16, SFixed16, QnnDataType.Int32];

    public static void Run(CheckRun run)
    {
        foreach (string op in (ReadOnlySpan<string>)[Add, Multiply])
        {
            foreach (QnnDataType type in s_types)
            {
                run.CheckOperator(op, $"{op} {Operand.Name(type)}", client => Compute(client, op, type, [1, 3, 7, 33], [1, 3, 7, 33]));
            }

            foreach (int[] other in (ReadOnlySpan<int[]>)[[1, 3, 1, 33], [1, 1, 7, 1], [7, 33], [33]])
            {
                run.CheckOperator(op, $"{op} broadcasts [{string.Join(", ", other)}]",
                    client => Compute(client, op, UFixed8, [1, 3, 7, 33], other));
            }

            run.CheckOperator(op, $"{op} refuses shapes that do not broadcast", client => WrongShapes(client, op));
            run.CheckOperator(op, $"{op} refuses all other types", client => RefusesOtherTypes(client, op));
        }
    }

    private static Verdict Compute(RawClient client, string op, QnnDataType type, int[] shape, int[] other)
    {
        Operand a = Operand.Spanning(1.7, type, shape).Filled(1);
        Operand b = Operand.Spanning(2.3, type, other).Filled(2);
        Operand target = Operand.Spanning(op == Add ? 3.1 : 2.9, type, shape);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(op, inputs, [graph.Output(target)]);
        int[] sources = Formulas.BroadcastSources(other, shape);
        double[] exact = new double[sources.Length];
        for (int i = 0; i < exact.Length; i++)
        {
            exact[i] = op == Add ? a.Real(i) + b.Real(sources[i]) : a.Real(i) * b.Real(sources[i]);
        }

        return Comparison.Of(graph.Finalized().Execute()[0], exact).Within(type == QnnDataType.Int32 ? 0 : 1, $"{a} and {b}");
    }

    private static Verdict WrongShapes(RawClient client, string op)
    {
        Operand a = Operand.Spanning(1, UFixed8, 2, 3, 4, 8);
        foreach (int[] other in (ReadOnlySpan<int[]>)[[2, 3, 4, 4], [3, 8], [2, 2, 4, 8]])
        {
            Expect.Status($"backendValidateOpConfig of [2, 3, 4, 8] and [{string.Join(", ", other)}]", TypeSets.ValidationFailure,
                client.Validate(op, [a, a with { Shape = other }], [a]));
        }

        return Verdict.Pass("3 pairs refused");
    }

    private static Verdict RefusesOtherTypes(RawClient client, string op) => TypeSets.RefusesOthers(
        TypeSets.Combinations(TypeSets.All[..7], 3),
        TypeSets.Same(3, s_types),
        TypeSets.Same(3, Float16, Float32),
        set => client.Validate(op, [Operand.Spanning(1, set[0], 1, 1, 4, 8), Operand.Spanning(2, set[1], 1, 1, 4, 8)],
            [Operand.Spanning(3, set[2], 1, 1, 4, 8)]));
}
