using CsCheck;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public class QuantizeTests
{
    [Theory]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16)]
    public void Quantize_rounds_half_up_and_saturates(Qnn_DataType_t type)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 77], Gen.Int[-200, 200], Gen.UInt).Sample(
            (rows, columns, offset, seed) =>
            {
                var random = new Random((int)seed);
                var source = new TestTensor(QNN_DATATYPE_FLOAT_32, [(uint)rows, (uint)columns]);
                source = source with { Data = Elements.Draw(random, source) };
                // Three standard deviations fill the range; the rest saturates.
                var target = new TestTensor(type, [(uint)rows, (uint)columns], (float)(3 / Elements.Max(type)), offset);
                TestTensor got = target with { Data = client.Run("Quantize", [source], [target])[0] };
                for (int i = 0; i < got.Elements; i++)
                {
                    double steps = Elements.At(source, i) / target.Scale;
                    double expected = Math.Clamp(Math.Floor(steps + 0.5) - offset, Elements.Min(type), Elements.Max(type));
                    double slack = Math.Abs(steps - Math.Floor(steps) - 0.5) < 1e-6 ? 1 : 0;
                    Assert.True(Math.Abs(Elements.At(got, i) - expected) <= slack, $"{steps} steps gave {Elements.At(got, i)}, expected {expected}");
                }
            },
            iter: 30,
            threads: 1);
    }

    [Theory]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16)]
    public void Dequantize_is_scale_times_stored_plus_offset(Qnn_DataType_t type)
    {
        using TableClient client = TableClient.OfSoftHtp();
        var random = new Random(7);
        // More than one part of the elements.
        var source = new TestTensor(type, [3, 20_011], 0.03125f, -77);
        source = source with { Data = Elements.Draw(random, source) };
        var target = new TestTensor(QNN_DATATYPE_FLOAT_32, [3, 20_011]);
        TestTensor got = target with { Data = client.Run("Dequantize", [source], [target])[0] };
        for (int i = 0; i < got.Elements; i++)
        {
            Assert.Equal(0.03125 * (Elements.At(source, i) - 77), Elements.At(got, i));
        }
    }

    [Fact]
    public void Not_a_number_becomes_the_lowest_value()
    {
        using TableClient client = TableClient.OfSoftHtp();
        byte[] data = [.. BitConverter.GetBytes(float.NaN), .. BitConverter.GetBytes(float.PositiveInfinity), .. BitConverter.GetBytes(float.NegativeInfinity)];
        byte[] got = client.Run(
            "Quantize",
            [new TestTensor(QNN_DATATYPE_FLOAT_32, [3], 0, 0, data)],
            [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [3], 1)])[0];
        Assert.Equal([unchecked((byte)-128), 127, unchecked((byte)-128)], got);
    }

    [Fact]
    public void Other_types_ranks_and_shapes_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor F32(params uint[] dimensions) => new(QNN_DATATYPE_FLOAT_32, dimensions);
        TestTensor Of(Qnn_DataType_t type, params uint[] dimensions) => new(type, dimensions, 0.5f);
        Assert.Equal(0UL, client.Validate("Quantize", [F32(1, 2, 3, 4)], [Of(QNN_DATATYPE_SFIXED_POINT_8, 1, 2, 3, 4)]));
        Assert.Equal(3110UL, client.Validate("Quantize", [F32(1, 1, 2, 3, 4)], [Of(QNN_DATATYPE_SFIXED_POINT_8, 1, 1, 2, 3, 4)]));
        Assert.Equal(3110UL, client.Validate("Quantize", [F32(1, 2, 3, 4)], [Of(QNN_DATATYPE_SFIXED_POINT_8, 1, 2, 3, 5)]));
        Assert.Equal(3110UL, client.Validate("Quantize", [F32(4)], [Of(QNN_DATATYPE_SFIXED_POINT_16, 4)]));
        Assert.Equal(3110UL, client.Validate("Quantize", [F32(4)], [Of(QNN_DATATYPE_SFIXED_POINT_8, 4) with { Scale = 0 }]));
        Assert.Equal(3110UL, client.Validate("Dequantize", [F32(4)], [F32(4)]));
        Assert.Equal(3110UL, client.Validate("Dequantize", [Of(QNN_DATATYPE_SFIXED_POINT_8, 4)], [F32(5)]));
    }
}
