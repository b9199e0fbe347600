using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Interop.QnnDataType;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Quantize, Dequantize and Convert: types, and results within a step of the exact ones.</summary>
internal static unsafe class QuantizeChecks
{
    private static readonly QnnDataType[] s_fixed = [UFixed8, SFixed8, UFixed16];
    private static readonly QnnDataType[] s_allFixed = [UFixed8, SFixed8, UFixed16, SFixed16];

    public static void Run(CheckRun run)
    {
        foreach (QnnDataType type in s_fixed)
        {
            run.CheckOperator("Quantize", $"Quantize f32 -> {Operand.Name(type)}", client => Quantize(client, type));
        }

        run.CheckOperator("Quantize", "Quantize refuses all other types", client => RefusesOthers(client, "Quantize",
            [.. s_fixed.Select(type => (QnnDataType[])[Float32, type])],
            [.. s_allFixed.SelectMany(type => (QnnDataType[][])[[Float32, type], [Float16, type]])]));
        foreach (QnnDataType type in s_fixed)
        {
            run.CheckOperator("Dequantize", $"Dequantize {Operand.Name(type)} -> f32", client => Dequantize(client, type));
        }

        run.CheckOperator("Dequantize", "Dequantize refuses all other types", client => RefusesOthers(client, "Dequantize",
            [.. s_fixed.Select(type => (QnnDataType[])[type, Float32])],
            [.. s_allFixed.SelectMany(type => (QnnDataType[][])[[type, Float32], [type, Float16]])]));
        foreach (QnnDataType from in s_fixed)
        {
            foreach (QnnDataType to in s_fixed)
            {
                run.CheckOperator("Convert", $"Convert {Operand.Name(from)} -> {Operand.Name(to)}", client => Convert(client, from, to));
            }
        }

        run.CheckOperator("Convert", "Convert refuses all other types", client => RefusesOthers(client, "Convert",
            [.. TypeSets.Combinations(s_fixed, 2)], OptionalConversions()));
        foreach (string op in (ReadOnlySpan<string>)["Quantize", "Dequantize", "Convert"])
        {
            run.CheckOperator(op, $"{op} refuses rank 6", client => Rank6(client, op));
        }
    }

    private static Verdict Quantize(RawClient client, QnnDataType type)
    {
        // Wider than the output's range, so that some values saturate.
        Operand source = new Operand(Float32, [1, 1, 31, 65]).Filled(1);
        Operand target = Operand.Spanning(1.9, type, 1, 1, 31, 65);
        return Compare(client, "Quantize", source, target with { Offset = target.Offset == 0 ? 0 : target.Offset + 11 });
    }

    private static Verdict Dequantize(RawClient client, QnnDataType type)
    {
        Operand source = Operand.Spanning(3, type, 1, 2, 5, 33).Filled(2);
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(source);
        graph.Add("Dequantize", [input], [graph.Output(new Operand(Float32, source.Shape))]);
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.Reals(source)).Within(1e-5, $"{source}", "absolute");
    }

    private static Verdict Convert(RawClient client, QnnDataType from, QnnDataType to)
    {
        Operand source = Operand.Spanning(3, from, 1, 2, 5, 33).Filled(3);
        Operand target = Operand.Spanning(2.3, to, 1, 2, 5, 33);
        return Compare(client, "Convert", source, target with { Offset = target.Offset == 0 ? 0 : target.Offset + 5 });
    }

    private static Verdict Compare(RawClient client, string op, Operand source, Operand target)
    {
        RawGraph graph = client.Graph(client.Context);
        Qnn_Tensor_t input = graph.Input(source);
        graph.Add(op, [input], [graph.Output(target)]);
        return Comparison.Of(graph.Finalized().Execute()[0], Formulas.Reals(source)).Within(1, $"{source} -> {Operand.Name(target.Type)}");
    }

    private static Verdict RefusesOthers(RawClient client, string op, QnnDataType[][] accepted, QnnDataType[][] optional) => TypeSets.RefusesOthers(
        TypeSets.Combinations(TypeSets.All, 2),
        accepted,
        optional,
        set => client.Validate(op, [Operand.Spanning(3, set[0], 1, 1, 4, 16)], [Operand.Spanning(2, set[1], 1, 1, 4, 16)]));

    private static QnnDataType[][] OptionalConversions()
    {
        var sets = new List<QnnDataType[]>();
        foreach (QnnDataType type in s_allFixed)
        {
            sets.AddRange([[type, SFixed16], [SFixed16, type], [type, QnnDataType.Int32], [type, Float32], [type, Float16], [type, Bool8]]);
            sets.AddRange([[Float32, type], [Float16, type], [Bool8, type]]);
        }

        sets.AddRange([[Float32, Float32], [Float32, Float16], [Float16, Float32], [Float16, Float16], [Bool8, Bool8]]);
        return [.. sets];
    }

    private static Verdict Rank6(RawClient client, string op)
    {
        int[] shape = [1, 1, 1, 1, 4, 16];
        Operand source = Operand.Spanning(3, op == "Quantize" ? Float32 : UFixed8, shape);
        Operand target = Operand.Spanning(2, op == "Dequantize" ? Float32 : UFixed8, shape);
        Expect.Status("backendValidateOpConfig", TypeSets.ValidationFailure, client.Validate(op, [source], [target]));
        return Verdict.Pass("refused");
    }
}
