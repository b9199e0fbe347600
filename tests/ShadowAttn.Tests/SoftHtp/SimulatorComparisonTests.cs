using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>The same node on SoftHtp and on the HTP simulator.</summary>
[Collection("HTP simulator")]
public class SimulatorComparisonTests(ITestOutputHelper output)
{
    /// <summary>Runs one node on both backends; how many outputs differ, and by how many steps at most.</summary>
    private (int Differing, double Worst, int Count) Compare(string type, TestTensor[] inputs, TestTensor[] outputs, Func<TableClient, Qnn_Param_t[]> parameters)
    {
        using TableClient htp = TableClient.OfSimulator();
        using TableClient soft = TableClient.OfSoftHtp();
        byte[][] expected = htp.Run(type, inputs, outputs, parameters(htp));
        byte[][] got = soft.Run(type, inputs, outputs, parameters(soft));
        int differing = 0, count = 0;
        double worst = 0;
        for (int t = 0; t < outputs.Length; t++)
        {
            for (int i = 0; i < outputs[t].Elements; i++, count++)
            {
                double difference = Math.Abs(Elements.At(outputs[t] with { Data = expected[t] }, i) - Elements.At(outputs[t] with { Data = got[t] }, i));
                differing += difference > 0 ? 1 : 0;
                worst = Math.Max(worst, difference);
            }
        }
        output.WriteLine($"{type}: {differing} of {count} differ, by {worst} at most");
        return (differing, worst, count);
    }

    private static TestTensor Random(Qnn_DataType_t type, int seed, float scale, int offset, params uint[] dimensions)
    {
        var tensor = new TestTensor(type, dimensions, scale, offset);
        return tensor with { Data = Elements.Draw(new Random(seed), tensor) };
    }

    [Theory]
    [InlineData(256, 512, 64, 6)]
    [InlineData(192, 320, 128, 7)]
    [InlineData(7, 33, 64, 6)]
    [InlineData(1, 96, 128, 7)]
    public void Pilot_scores_are_equal_bit_for_bit(uint rows, uint keys, uint dim, int shift)
    {
        (int differing, _, _) = Compare(
            "MatMul",
            [Random(QNN_DATATYPE_SFIXED_POINT_8, 1, 1, 0, 1, 1, rows, dim), Random(QNN_DATATYPE_SFIXED_POINT_8, 2, 1, 0, 1, 1, keys, dim)],
            [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, rows, keys], 1 << shift)],
            client => [client.Flag("transpose_in1", true)]);
        Assert.Equal(0, differing);
    }

    [Theory]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, 1)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, 1)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, 1)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16, 3)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_16, 3)]
    public void Other_products_differ_by_few_steps(Qnn_DataType_t in0, Qnn_DataType_t in1, Qnn_DataType_t result, double steps)
    {
        static int Centre(Qnn_DataType_t type) => type switch
        {
            QNN_DATATYPE_UFIXED_POINT_8 => -128,
            QNN_DATATYPE_UFIXED_POINT_16 => -32768,
            _ => 0,
        };
        (_, double worst, _) = Compare(
            "MatMul",
            [Random(in0, 3, 0.013f, Centre(in0), 1, 2, 48, 96), Random(in1, 4, 0.021f, Centre(in1), 1, 2, 80, 96)],
            [new TestTensor(result, [1, 2, 48, 80], result is QNN_DATATYPE_UFIXED_POINT_16 or QNN_DATATYPE_SFIXED_POINT_16 ? 3.3f : 13.7f, Centre(result))],
            client => [client.Flag("transpose_in1", true)]);
        Assert.InRange(worst, 0, steps);
    }

    [Fact]
    public void Softmax_differs_by_one_step_at_most()
    {
        (_, double worst, _) = Compare(
            "Softmax",
            [Random(QNN_DATATYPE_UFIXED_POINT_8, 5, 0.04f, -128, 1, 1, 40, 96)],
            [new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [1, 1, 40, 96], 1f / 256)],
            _ => []);
        Assert.InRange(worst, 0, 1);
    }

    [Fact]
    public void TopK_is_equal_ties_included()
    {
        TestTensor source = Random(QNN_DATATYPE_UFIXED_POINT_8, 6, 0.5f, 0, 1, 1, 5, 700);
        (int differing, _, _) = Compare(
            "TopK",
            [source],
            [new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [1, 1, 5, 140], 0.5f), new TestTensor(QNN_DATATYPE_UINT_32, [1, 1, 5, 140])],
            client => [client.Whole("k", 140)]);
        Assert.Equal(0, differing);
    }

    [Theory]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8, -100)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8, 0)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16, -30000)]
    public void Quantize_differs_by_one_step_at_most(Qnn_DataType_t type, int offset)
    {
        (_, double worst, _) = Compare(
            "Quantize",
            [Random(QNN_DATATYPE_FLOAT_32, 7, 0, 0, 1, 1, 30, 64)],
            [new TestTensor(type, [1, 1, 30, 64], (float)(3 / Elements.Max(type)), offset)],
            _ => []);
        Assert.InRange(worst, 0, 1);
    }

    [Theory]
    [InlineData("Add")]
    [InlineData("Multiply")]
    public void Element_wise_functions_differ_by_one_step_at_most(string function)
    {
        (_, double worst, _) = Compare(
            $"ElementWise{function}",
            [
                Random(QNN_DATATYPE_UFIXED_POINT_8, 8, 0.04f, -128, 1, 1, 30, 64),
                Random(QNN_DATATYPE_UFIXED_POINT_8, 9, 0.03f, -120, 1, 1, 30, 64),
            ],
            [new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [1, 1, 30, 64], 0.05f, -128)],
            _ => []);
        Assert.InRange(worst, 0, 1);
    }

    [Fact]
    public void Convert_differs_by_one_step_at_most()
    {
        (_, double worst, _) = Compare(
            "Convert",
            [Random(QNN_DATATYPE_UFIXED_POINT_8, 10, 0.04f, -128, 1, 1, 30, 64)],
            [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 30, 64], 0.03f, 0)],
            _ => []);
        Assert.InRange(worst, 0, 1);
    }
}
