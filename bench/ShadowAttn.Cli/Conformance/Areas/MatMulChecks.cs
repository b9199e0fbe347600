using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>MatMul: types, shapes, and results within stated steps of the exact product.</summary>
internal static unsafe class MatMulChecks
{
    private const string Op = "MatMul";

    private const string WideRefused =
        "HTP's simulator refuses a second operand of 16 bits, which the operator's definition for HTP has";

    /// <summary>In0, in1 and out, and how far an output may be from the exact one: in steps, or relative to the largest output for floats.</summary>
    private static readonly (QnnDataType[] Types, double Most)[] s_accepted =
    [
        ([UFixed8, UFixed8, UFixed8], 1),
        ([UFixed8, SFixed8, UFixed8], 1),
        ([SFixed8, UFixed8, SFixed8], 1),
        ([SFixed8, SFixed8, SFixed8], 1),
        ([UFixed16, UFixed8, UFixed16], 3),
        ([UFixed16, SFixed8, UFixed16], 3),
        ([UFixed16, UFixed16, UFixed16], 3),
        ([UFixed16, SFixed16, UFixed16], 3),
        ([SFixed16, SFixed8, SFixed16], 3),
        ([SFixed16, SFixed16, SFixed16], 3),
        ([Float16, Float16, Float16], 2e-3),
        ([Float32, Float32, Float32], 2e-3),
    ];

    public static void Run(CheckRun run)
    {
        foreach ((QnnDataType[] types, double most) in s_accepted)
        {
            run.CheckOperator(Op, $"{TypeSets.Name(types)}", client => OfTypes(client, types, most));
        }

        run.CheckOperator(Op, "refuses all other types", RefusesOtherTypes);
        foreach ((int batches, int rows, int columns, int inner, int shift) in
            (ReadOnlySpan<(int, int, int, int, int)>)[(1, 64, 128, 64, 11), (2, 7, 33, 64, 11), (1, 1, 256, 128, 12), (3, 5, 1, 31, 6)])
        {
            run.CheckOperator(Op, $"exact with a power of two: {batches} of {rows} x {inner} x {columns}, scale 2^{shift}",
                client => PowerOfTwo(client, batches, rows, columns, inner, shift));
        }

        foreach ((bool first, bool second) in (ReadOnlySpan<(bool, bool)>)[(false, false), (true, false), (false, true), (true, true)])
        {
            run.CheckOperator(Op, $"operands stored {(first ? "transposed" : "straight")} and {(second ? "transposed" : "straight")}",
                client => Transposed(client, first, second));
        }

        for (int rank = 2; rank <= 5; rank++)
        {
            int of = rank;
            run.CheckOperator(Op, $"rank {rank}", client => OfRank(client, of));
        }

        run.CheckOperator(Op, "saturates", Saturates);
        run.CheckOperator(Op, "static second operand", StaticOperand);
        run.CheckOperator(Op, "refuses other shapes", RefusesOtherShapes);
    }

    /// <summary>A finalised product of in0 [..., rows, inner] and in1 [..., columns, inner] transposed; used by other areas too.</summary>
    /// <param name="client">The client.</param>
    /// <param name="context">Where.</param>
    /// <param name="seed">Of the contents.</param>
    /// <param name="name">The graph's name; null for one of its own.</param>
    public static RawGraph Pilot(RawClient client, void* context, int seed, string? name = null)
    {
        RawGraph graph = client.Graph(context, name);
        Qnn_Tensor_t q = graph.Input(new Operand(SFixed8, [1, 2, 9, 64], 1).Filled(seed));
        Qnn_Tensor_t k = graph.Input(new Operand(SFixed8, [1, 2, 40, 64], 1).Filled(seed + 1));
        Qnn_Tensor_t scores = graph.Output(new Operand(SFixed8, [1, 2, 9, 40], 4096));
        graph.Add(Op, [q, k], [scores], RawParam.Flag("transpose_in1", true));
        return graph.Finalized();
    }

    /// <summary>The scores of a <see cref="Pilot"/> are exact but for ties.</summary>
    /// <exception cref="CheckFailedException">They are not.</exception>
    public static Verdict PilotIsExact(RawGraph pilot, string what) =>
        Comparison.Of(pilot.Results()[0], Formulas.MatMul(pilot.InputOperands[0], pilot.InputOperands[1], false, true)).Within(0.5, what);

    private static Verdict OfTypes(RawClient client, QnnDataType[] types, double most)
    {
        bool isFloat = !types[0].IsQuantised();
        Operand a = Scaled(0.013f, types[0], 48, 96).Filled(1);
        Operand b = Scaled(0.021f, types[1], 96, 80).Filled(2);
        Operand product = Scaled(types[2].ElementBytes() == 1 ? 1.9f : 3.3f, types[2], 48, 80);
        bool isWide = types[1] is UFixed16 or SFixed16;
        if (isWide && client.Validate(Op, [a, b], [product]) == TypeSets.ValidationFailure)
        {
            return Verdict.NotSupported($"backendValidateOpConfig says {Expect.Name(TypeSets.ValidationFailure)}", WideRefused);
        }

        if (isWide)
        {
            // 96 products of two numbers of 16 bits.
            product = product with { Scale = 700 };
        }

        RawGraph graph = client.Graph(client.Context, options: isFloat ? client.HalfPrecision() : null);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(Op, inputs, [graph.Output(product)]);
        Operand result = graph.Finalized().Execute()[0];
        double[] exact = Formulas.MatMul(a, b, false, false);
        return isFloat
            ? Comparison.Of(result, exact).Within(most * exact.Max(Math.Abs), $"{a} x {b}", "absolute")
            : Comparison.Of(result, exact).Within(most, $"{a} x {b}");
    }

    /// <summary>A matrix whose stored zero is in the middle of the type.</summary>
    private static Operand Scaled(float scale, QnnDataType type, int rows, int columns) => type switch
    {
        UFixed8 => new Operand(type, [1, 1, rows, columns], scale, -128),
        UFixed16 => new Operand(type, [1, 1, rows, columns], scale, -32768),
        _ => new Operand(type, [1, 1, rows, columns], scale),
    };

    private static Verdict RefusesOtherTypes(RawClient client) => TypeSets.RefusesOthers(
        TypeSets.Combinations(TypeSets.All[..7], 3),
        [.. s_accepted.Select(set => set.Types)],
        [],
        set => client.Validate(
            Op,
            [Operand.Spanning(1, set[0], 1, 1, 4, 16), Operand.Spanning(1, set[1], 1, 1, 16, 8)],
            [Operand.Spanning(9, set[2], 1, 1, 4, 8)]));

    private static Verdict PowerOfTwo(RawClient client, int batches, int rows, int columns, int inner, int shift)
    {
        Operand a = new Operand(SFixed8, [1, batches, rows, inner], 1).Filled(3);
        Operand b = new Operand(SFixed8, [1, batches, columns, inner], 1).Filled(4);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(Op, inputs, [graph.Output(new Operand(SFixed8, [1, batches, rows, columns], 1 << shift))], RawParam.Flag("transpose_in1", true));
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.MatMul(a, b, false, true)).Within(0.5, $"{a} x {b}");
    }

    private static Verdict Transposed(RawClient client, bool first, bool second)
    {
        Operand a = new Operand(SFixed8, first ? [2, 24, 10] : [2, 10, 24], 1).Filled(5);
        Operand b = new Operand(SFixed8, second ? [2, 17, 24] : [2, 24, 17], 1).Filled(6);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(Op, inputs, [graph.Output(new Operand(SFixed8, [2, 10, 17], 512))],
            RawParam.Flag("transpose_in0", first), RawParam.Flag("transpose_in1", second));
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.MatMul(a, b, first, second)).Within(0.5, $"{a} x {b}");
    }

    private static Verdict OfRank(RawClient client, int rank)
    {
        int[] batch = new int[][] { [], [3], [1, 3], [2, 1, 3] }[rank - 2];
        Operand a = new Operand(SFixed8, [.. batch, 6, 32], 1).Filled(7);
        Operand b = new Operand(SFixed8, [.. batch, 32, 11], 1).Filled(8);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(Op, inputs, [graph.Output(new Operand(SFixed8, [.. batch, 6, 11], 1024))]);
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.MatMul(a, b, false, false)).Within(0.5, $"{a} x {b}");
    }

    private static Verdict Saturates(RawClient client)
    {
        Operand a = new Operand(SFixed8, [1, 1, 8, 64], 1).Filled(9);
        Operand b = new Operand(SFixed8, [1, 1, 64, 8], 1).Filled(10);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Input(b)];
        graph.Add(Op, inputs, [graph.Output(new Operand(SFixed8, [1, 1, 8, 8], 64))]);
        Operand result = graph.Finalized().Execute()[0];
        double[] exact = Formulas.MatMul(a, b, false, false);
        int saturated = exact.Count(value => Math.Abs(value) > 128 * 64);
        Comparison.Of(result, exact).Within(0.5, "products beyond the output's range");
        return Verdict.Pass($"{saturated} of {exact.Length} outputs saturate");
    }

    private static Verdict StaticOperand(RawClient client)
    {
        Operand a = new Operand(SFixed8, [1, 1, 6, 32], 1).Filled(11);
        Operand b = new Operand(SFixed8, [1, 1, 32, 24], 1).Filled(12);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t[] inputs = [graph.Input(a), graph.Static(b, "weights")];
        graph.Add(Op, inputs, [graph.Output(new Operand(SFixed8, [1, 1, 6, 24], 1024))]);
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.MatMul(a, b, false, false)).Within(0.5, $"{a} x constant {b}");
    }

    private static Verdict RefusesOtherShapes(RawClient client)
    {
        (string What, int[] A, int[] B, int[] Product)[] wrong =
        [
            ("heads over fewer KV heads", [1, 6, 4, 64], [1, 2, 64, 8], [1, 6, 4, 8]),
            ("inner axes of different lengths", [1, 1, 4, 64], [1, 1, 32, 8], [1, 1, 4, 8]),
            ("output of another shape", [1, 1, 4, 64], [1, 1, 64, 8], [1, 1, 8, 4]),
            ("rank 6", [1, 1, 1, 1, 4, 64], [1, 1, 1, 1, 64, 8], [1, 1, 1, 1, 4, 8]),
        ];
        foreach ((string what, int[] a, int[] b, int[] product) in wrong)
        {
            ulong status = client.Validate(Op, [new Operand(SFixed8, a, 1), new Operand(SFixed8, b, 1)], [new Operand(SFixed8, product, 64)]);
            Expect.Status($"backendValidateOpConfig of {what}", TypeSets.ValidationFailure, status);
        }

        return Verdict.Pass($"{wrong.Length} shapes refused");
    }
}
