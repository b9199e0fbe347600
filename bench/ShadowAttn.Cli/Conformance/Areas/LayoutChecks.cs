using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Transpose and Reshape: types, and values that only change their place.</summary>
internal static unsafe class LayoutChecks
{
    private static readonly QnnDataType[] s_transposed = [UFixed8, SFixed8, UFixed16, SFixed16, Float32, QnnDataType.Int32, QnnDataType.UInt32, Bool8];
    private static readonly QnnDataType[] s_reshaped = [UFixed8, SFixed8, UFixed16, SFixed16];

    public static void Run(CheckRun run)
    {
        foreach (QnnDataType type in s_transposed)
        {
            run.CheckOperator("Transpose", $"Transpose {Operand.Name(type)}", client => Transpose(client, type, [2, 3, 5, 7], [0, 2, 1, 3]));
        }

        foreach ((int[] shape, uint[] permutation) in (ReadOnlySpan<(int[], uint[])>)
            [([9, 14], [1, 0]), ([4, 5, 6], [2, 0, 1]), ([2, 3, 4, 5], [3, 1, 2, 0]), ([2, 1, 3, 4, 5], [4, 0, 3, 1, 2])])
        {
            run.CheckOperator("Transpose", $"Transpose of [{string.Join(", ", shape)}] by [{string.Join(", ", permutation)}]",
                client => Transpose(client, UFixed8, shape, permutation));
        }

        run.CheckOperator("Transpose", "Transpose refuses other permutations and shapes", WrongPermutations);
        run.CheckOperator("Transpose", "Transpose refuses two types", client => TypeSets.RefusesOthers(
            TypeSets.Combinations(TypeSets.All, 2), TypeSets.Same(2, s_transposed), TypeSets.Same(2, Float16),
            set => client.Validate("Transpose", [Operand.Spanning(3, set[0], 2, 3, 4, 5)], [Operand.Spanning(3, set[1], 2, 4, 3, 5)],
                RawParam.Tensor("perm", 0, 2, 1, 3))));
        foreach (QnnDataType type in s_reshaped)
        {
            run.CheckOperator("Reshape", $"Reshape {Operand.Name(type)}", client => Reshape(client, type, [2, 3, 4, 5], [1, 6, 20]));
        }

        run.CheckOperator("Reshape", "Reshape to one axis", client => Reshape(client, UFixed8, [2, 3, 5, 7], [210]));
        run.CheckOperator("Reshape", "Reshape refuses another number of elements", WrongReshape);
    }

    private static Verdict Transpose(RawClient client, QnnDataType type, int[] shape, uint[] permutation)
    {
        Operand source = Operand.Spanning(3, type, shape).Filled(1);
        int[] turned = [.. permutation.Select(axis => shape[axis])];
        RawGraph graph = client.Graph(client.Context, options: type == Float32 ? client.HalfPrecision() : null);
        Qnn_Tensor_t input = graph.Input(source);
        graph.Add("Transpose", [input], [graph.Output(source with { Shape = turned, Data = null })], RawParam.Tensor("perm", permutation));
        return Moved(graph.Finalized().Execute()[0], source, Formulas.TransposeSources(shape, permutation));
    }

    private static Verdict Reshape(RawClient client, QnnDataType type, int[] from, int[] to)
    {
        Operand source = Operand.Spanning(3, type, from).Filled(2);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(source);
        graph.Add("Reshape", [input], [graph.Output(source with { Shape = to, Data = null })]);
        return Moved(graph.Finalized().Execute()[0], source, [.. Enumerable.Range(0, source.Elements)]);
    }

    private static Verdict Moved(Operand result, Operand source, int[] sources)
    {
        double most = 0;
        for (int i = 0; i < sources.Length; i++)
        {
            double expected = source.Stored(sources[i]);
            double actual = result.Stored(i);
            // HTP keeps floats as halves between an input and an output.
            double tolerance = source.Type == Float32 ? Math.Abs(expected) / 1024 : 0;
            double distance = Math.Abs(expected - actual);
            Expect.That(distance <= tolerance, $"{source} -> {result}: expected {expected} at element {i}, actual {actual}");
            most = Math.Max(most, distance);
        }

        return Verdict.Pass($"{source} -> {result}: {sources.Length} elements in place");
    }

    private static Verdict WrongPermutations(RawClient client)
    {
        Operand source = Operand.Spanning(3, UFixed8, 2, 3, 4, 5);
        Operand turned = source with { Shape = [2, 4, 3, 5] };
        Expect.Status("backendValidateOpConfig without perm", TypeSets.ValidationFailure, client.Validate("Transpose", [source], [turned]));
        Expect.Status("backendValidateOpConfig of rank 6", TypeSets.ValidationFailure, client.Validate(
            "Transpose", [source with { Shape = [1, 1, 2, 3, 4, 5] }], [source with { Shape = [1, 1, 2, 4, 3, 5] }],
            RawParam.Tensor("perm", 0, 1, 2, 4, 3, 5)));
        return Verdict.Pass("without perm and of rank 6");
    }

    private static Verdict WrongReshape(RawClient client)
    {
        Operand source = Operand.Spanning(3, UFixed8, 2, 3, 4, 5);
        Expect.Status("backendValidateOpConfig", TypeSets.ValidationFailure,
            client.Validate("Reshape", [source], [source with { Shape = [2, 3, 4, 6] }]));
        return Verdict.Pass("120 elements to 144 refused");
    }
}
