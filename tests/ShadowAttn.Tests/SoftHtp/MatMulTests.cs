using System.Runtime.InteropServices;
using CsCheck;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public class MatMulTests
{
    private static readonly (Qnn_DataType_t In0, Qnn_DataType_t In1, Qnn_DataType_t Out)[] FixedSets =
    [
        (QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8),
        (QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8),
        (QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8),
        (QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16),
        (QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_16),
        (QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16),
    ];

    public static TheoryData<int> FixedSetIndices => [.. Enumerable.Range(0, FixedSets.Length)];

    [Theory]
    [MemberData(nameof(FixedSetIndices))]
    public void Every_fixed_point_set_equals_the_formula(int set)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 37], Gen.Int[1, 70], Gen.Int[1, 45], Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool), Gen.Int[-40, 40], Gen.UInt)
            .Sample(
                (batches, rows, inner, columns, flags, offset, seed) =>
                    Check(client, FixedSets[set], batches, rows, inner, columns, flags.Item1, flags.Item2, flags.Item3, offset, seed),
                iter: 40,
                threads: 1);
    }

    private static void Check(
        TableClient client,
        (Qnn_DataType_t In0, Qnn_DataType_t In1, Qnn_DataType_t Out) set,
        int batches,
        int rows,
        int inner,
        int columns,
        bool transpose0,
        bool transpose1,
        bool hasBias,
        int offset,
        uint seed)
    {
        var random = new Random((int)seed);
        double full0 = Elements.Max(set.In0) - Elements.Min(set.In0), full1 = Elements.Max(set.In1) - Elements.Min(set.In1);
        float scale0 = (float)(1 / full0), scale1 = (float)(2 / full1);
        // Wide enough for most sums, narrow enough that some saturate.
        float scaleOut = (float)(Math.Sqrt(inner) / (Elements.Max(set.Out) - Elements.Min(set.Out)));
        var in0 = new TestTensor(set.In0, Shape(batches, transpose0 ? inner : rows, transpose0 ? rows : inner), scale0, offset);
        var in1 = new TestTensor(set.In1, Shape(batches, transpose1 ? columns : inner, transpose1 ? inner : columns), scale1, -offset);
        var result = new TestTensor(set.Out, Shape(batches, rows, columns), scaleOut, offset / 2);
        in0 = in0 with { Data = Elements.Draw(random, in0) };
        in1 = in1 with { Data = Elements.Draw(random, in1) };
        var bias = new TestTensor(QNN_DATATYPE_SFIXED_POINT_32, [(uint)columns], scale0 * scale1, 0);
        bias = bias with { Data = MemoryMarshal.AsBytes<int>(Enumerable.Range(0, columns).Select(_ => random.Next(-100, 100)).ToArray()).ToArray() };

        byte[] got = client.Run(
            "MatMul",
            hasBias ? [in0, in1, bias] : [in0, in1],
            [result],
            client.Flag("transpose_in0", transpose0),
            client.Flag("transpose_in1", transpose1))[0];

        double quotient = (double)scale0 * scale1 / scaleOut;
        for (int batch = 0; batch < batches; batch++)
        {
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    double sum = 0;
                    for (int k = 0; k < inner; k++)
                    {
                        int a = (batch * rows * inner) + (transpose0 ? (k * rows) + row : (row * inner) + k);
                        int b = (batch * columns * inner) + (transpose1 ? (column * inner) + k : (k * columns) + column);
                        sum += (Elements.At(in0, a) + in0.Offset) * (Elements.At(in1, b) + in1.Offset);
                    }
                    double exact = sum * quotient;
                    if (hasBias)
                    {
                        exact += Elements.At(bias, column) * (double)bias.Scale / scaleOut;
                    }
                    int index = (((batch * rows) + row) * columns) + column;
                    double expected = Math.Clamp(Math.Floor(exact + 0.5) - result.Offset, Elements.Min(set.Out), Elements.Max(set.Out));
                    double stored = Elements.At(result with { Data = got }, index);
                    // The bias is added in double here and in the backend in another order: a tie may fall either way.
                    double slack = Math.Abs(exact - Math.Floor(exact) - 0.5) < 1e-6 ? 1 : 0;
                    Assert.True(Math.Abs(stored - expected) <= slack, $"[{batch},{row},{column}]: {stored}, expected {expected} ({exact} steps)");
                }
            }
        }
    }

    private static uint[] Shape(int batches, int lines, int length) =>
        batches == 1 ? [(uint)lines, (uint)length] : [1, (uint)batches, (uint)lines, (uint)length];

    [Theory]
    [InlineData(6, 64, 100, 200)]
    [InlineData(7, 128, 768, 96)]
    [InlineData(7, 96, 1, 33)]
    [InlineData(0, 1, 17, 5)]
    public void A_power_of_two_quotient_is_a_rounding_shift(int shift, int dim, int rows, int keys)
    {
        using TableClient client = TableClient.OfSoftHtp();
        var random = new Random(shift);
        var q = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, (uint)rows, (uint)dim], 1);
        var k = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, (uint)keys, (uint)dim], 1);
        q = q with { Data = Elements.Draw(random, q) };
        k = k with { Data = Elements.Draw(random, k) };
        var scores = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, (uint)rows, (uint)keys], 1 << shift);
        byte[] got = client.Run("MatMul", [q, k], [scores], client.Flag("transpose_in1", true))[0];
        for (int row = 0; row < rows; row++)
        {
            for (int key = 0; key < keys; key++)
            {
                int sum = 0;
                for (int d = 0; d < dim; d++)
                {
                    sum += (sbyte)q.Data![(row * dim) + d] * (sbyte)k.Data![(key * dim) + d];
                }
                int half = shift == 0 ? 0 : 1 << (shift - 1);
                Assert.Equal((sbyte)Math.Clamp((sum + half) >> shift, -128, 127), (sbyte)got[(row * keys) + key]);
            }
        }
    }

    [Fact]
    public void Extreme_values_saturate()
    {
        using TableClient client = TableClient.OfSoftHtp();
        byte[] lowest = new byte[64], highest = new byte[64];
        Array.Fill(lowest, unchecked((byte)-128));
        Array.Fill(highest, (byte)127);
        var a = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 64], 1, 0, lowest);
        var scores = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1], 64);
        Assert.Equal(127, (sbyte)client.Run("MatMul", [a, a], [scores], client.Flag("transpose_in1", true))[0][0]);
        Assert.Equal(-128, (sbyte)client.Run("MatMul", [a, a with { Data = highest }], [scores], client.Flag("transpose_in1", true))[0][0]);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public unsafe void Float_products(bool half, bool halfPrecision)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Qnn_DataType_t type = half ? QNN_DATATYPE_FLOAT_16 : QNN_DATATYPE_FLOAT_32;
        const int Rows = 9, Inner = 33, Columns = 13;
        var random = new Random(4);
        var a = new TestTensor(type, [Rows, Inner]);
        var b = new TestTensor(type, [Inner, Columns]);
        a = a with { Data = Elements.Draw(random, a) };
        b = b with { Data = Elements.Draw(random, b) };
        var result = new TestTensor(type, [Rows, Columns]);
        Qnn_Param_t[] none = [];
        ComposedGraph graph = client.Compose("MatMul", [a, b], [result], none, handle =>
        {
            if (halfPrecision)
            {
                var custom = new QnnHtpGraph_CustomConfig_t { option = QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_PRECISION };
                custom.Anonymous.precision = Qnn_Precision_t.QNN_PRECISION_FLOAT16;
                var config = new QnnGraph_Config_t { option = QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_CUSTOM };
                config.Anonymous.customConfig = &custom;
                QnnGraph_Config_t** list = stackalloc QnnGraph_Config_t*[] { &config, null };
                TableClient.Ok(client.Q.graphSetConfig((void*)handle, list));
            }
        });
        TableClient.Ok(graph.Execute());
        TestTensor got = result with { Data = graph.Output(0).ToArray() };
        double worst = 0;
        for (int row = 0; row < Rows; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                double sum = 0;
                for (int k = 0; k < Inner; k++)
                {
                    sum += Elements.At(a, (row * Inner) + k) * Elements.At(b, (k * Columns) + column);
                }
                worst = Math.Max(worst, Math.Abs(sum - Elements.At(got, (row * Columns) + column)));
            }
        }
        Assert.InRange(worst, half || halfPrecision ? 1e-7 : 0, half || halfPrecision ? 0.02 : 1e-5);
    }

    [Fact]
    public void Other_sets_of_types_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        Qnn_DataType_t[] types =
        [
            QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16,
            QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_INT_32,
        ];
        int accepted = 0;
        foreach (Qnn_DataType_t in0 in types)
        {
            foreach (Qnn_DataType_t in1 in types)
            {
                foreach (Qnn_DataType_t result in types)
                {
                    ulong status = client.Validate(
                        "MatMul",
                        [new TestTensor(in0, [1, 2, 4], 0.5f), new TestTensor(in1, [1, 4, 3], 0.5f)],
                        [new TestTensor(result, [1, 2, 3], 0.5f)]);
                    bool isKnown = FixedSets.Contains((in0, in1, result))
                        || (in0, in1, result) == (QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_FLOAT_32);
                    Assert.Equal(isKnown ? 0UL : 3110UL, status);
                    accepted += status == 0 ? 1 : 0;
                }
            }
        }
        Assert.Equal(11, accepted);
    }

    [Fact]
    public void Shapes_and_encodings_that_HTP_refuses_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor S8(params uint[] dimensions) => new(QNN_DATATYPE_SFIXED_POINT_8, dimensions, 1);
        Assert.Equal(0UL, client.Validate("MatMul", [S8(1, 2, 3, 4, 5), S8(1, 2, 3, 5, 6)], [S8(1, 2, 3, 4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(1, 1, 2, 3, 4, 5), S8(1, 1, 2, 3, 5, 6)], [S8(1, 1, 2, 3, 4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(1, 6, 4, 5), S8(1, 2, 5, 6)], [S8(1, 6, 4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5), S8(6, 6)], [S8(4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5), S8(5, 6)], [S8(4, 5)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(5), S8(5, 6)], [S8(6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5)], [S8(4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5), S8(5, 6)], [S8(4, 6), S8(4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5) with { Scale = 0 }, S8(5, 6)], [S8(4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5) with { Scale = float.NaN }, S8(5, 6)], [S8(4, 6)]));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5), S8(5, 6)], [S8(4, 6)], client.Flag("transpose_in9", true)));
        Assert.Equal(3110UL, client.Validate("MatMul", [S8(4, 5), S8(5, 6)], [S8(4, 6)], client.Whole("transpose_in1", 0)));
        Assert.Contains(client.Messages, message => message.Contains("batch dimensions", StringComparison.Ordinal));
    }
}
