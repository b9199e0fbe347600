using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>TopK: types, values and indices, and the order of equal values.</summary>
internal static unsafe class TopKChecks
{
    private const string Op = "TopK";

    private static readonly QnnDataType[] s_types = [UFixed8, SFixed8, UFixed16, QnnDataType.Int32];

    public static void Run(CheckRun run)
    {
        foreach (QnnDataType type in s_types)
        {
            run.CheckOperator(Op, $"{Operand.Name(type)}", client => Exact(client, Operand.Spanning(3, type, 1, 1, 5, 300).Filled(1), 61));
        }

        run.CheckOperator(Op, "equal values: the larger index first", Ties);
        run.CheckOperator(Op, "signed indices", client => Exact(client, Operand.Spanning(3, UFixed8, 1, 1, 3, 64).Filled(2), 7, QnnDataType.Int32));
        run.CheckOperator(Op, "the largest only", client => Exact(client, Operand.Spanning(3, UFixed8, 1, 2, 3, 77).Filled(3), 1));
        run.CheckOperator(Op, "all of a row", client => Exact(client, Operand.Spanning(3, UFixed8, 1, 1, 4, 50).Filled(4), 50));
        run.CheckOperator(Op, "819 of 4096", client => Exact(client, Operand.Spanning(3, UFixed8, 1, 1, 2, 4096).Filled(5), 819));
        run.CheckOperator(Op, "refuses all other types", RefusesOtherTypes);
        run.CheckOperator(Op, "refuses more than a row has", MoreThanARow);
    }

    private static Verdict Exact(RawClient client, Operand source, int k, QnnDataType indexType = QnnDataType.UInt32)
    {
        int[] shape = [.. source.Shape[..^1], k];
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(source);
        Qnn_Tensor_t[] outputs = [graph.Output(source with { Shape = shape, Data = null }), graph.Output(new Operand(indexType, shape))];
        graph.Add(Op, [input], outputs, RawParam.Whole("k", (uint)k));
        Operand[] results = graph.Finalized().Execute();
        int[] expected = Formulas.TopK(source, k);
        for (int i = 0; i < expected.Length; i++)
        {
            int row = i / k;
            double value = source.Stored(row * source.LastAxis + expected[i]);
            Expect.Equal($"value {i % k} of row {row}", value, results[0].Stored(i));
            Expect.Equal($"index {i % k} of row {row} (value {value})", expected[i], (int)results[1].Stored(i));
        }

        return Verdict.Pass($"{k} of {source}: {expected.Length:N0} values and indices exact, ties included");
    }

    private static Verdict Ties(RawClient client)
    {
        // Three values only, and a row of one value: nearly all order is the order of equals.
        Operand source = Operand.Spanning(3, UFixed8, 1, 1, 2, 96);
        byte[] data = new byte[source.Bytes];
        for (int i = 0; i < data.Length; i++)
        {
            data[i] = (byte)(i < source.LastAxis ? 7 * (i % 3) : 9);
        }

        return Exact(client, source with { Data = data }, 40);
    }

    private static Verdict RefusesOtherTypes(RawClient client)
    {
        QnnDataType[][] accepted = [.. s_types.SelectMany(type => (QnnDataType[][])[[type, type, QnnDataType.UInt32], [type, type, QnnDataType.Int32]])];
        return TypeSets.RefusesOthers(
            TypeSets.Combinations(TypeSets.All, 2).SelectMany(set => (QnnDataType[][])[[.. set, QnnDataType.UInt32], [.. set, QnnDataType.Int32], [.. set, Float32]]),
            accepted,
            [.. TypeSets.All.SelectMany(type => (QnnDataType[][])(type is Float16 or Float32
                ? [[type, type, QnnDataType.UInt32], [type, type, QnnDataType.Int32]] : []))],
            set => client.Validate(Op, [Operand.Spanning(3, set[0], 1, 1, 2, 16)],
                [Operand.Spanning(3, set[1], 1, 1, 2, 4), Operand.Spanning(3, set[2], 1, 1, 2, 4)], RawParam.Whole("k", 4)));
    }

    private static Verdict MoreThanARow(RawClient client)
    {
        Operand source = Operand.Spanning(3, UFixed8, 1, 1, 2, 16);
        int[] shape = [1, 1, 2, 17];
        Expect.Status("backendValidateOpConfig with k 17 of 16", TypeSets.ValidationFailure, client.Validate(
            Op, [source], [source with { Shape = shape }, new Operand(QnnDataType.UInt32, shape)], RawParam.Whole("k", 17)));
        return Verdict.Pass();
    }
}
