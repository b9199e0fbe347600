using CsCheck;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public class SoftmaxTests
{
    public static TheoryData<Qnn_DataType_t, Qnn_DataType_t> Sets
    {
        get
        {
            var sets = new TheoryData<Qnn_DataType_t, Qnn_DataType_t>();
            Qnn_DataType_t[] fixedTypes = [QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16];
            foreach (Qnn_DataType_t source in fixedTypes)
            {
                foreach (Qnn_DataType_t target in (Qnn_DataType_t[])[source, QNN_DATATYPE_FLOAT_32])
                {
                    sets.Add(source, target);
                }
            }
            return sets;
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Is_within_one_step_of_the_formula(Qnn_DataType_t sourceType, Qnn_DataType_t targetType)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Gen.Select(Gen.Int[1, 19], Gen.Int[1, 90], Gen.Double[0.25, 4], Gen.UInt).Sample(
            (rows, columns, beta, seed) =>
            {
                var random = new Random((int)seed);
                var source = new TestTensor(sourceType, [1, (uint)rows, (uint)columns], (float)(8 / Elements.Max(sourceType)), random.Next(-99, 99));
                source = source with { Data = Elements.Draw(random, source) };
                bool isFloat = targetType == QNN_DATATYPE_FLOAT_32;
                float step = (float)(1 / (Elements.Max(targetType) - Elements.Min(targetType) + 1));
                TestTensor target = isFloat
                    ? new TestTensor(targetType, source.Dimensions)
                    : new TestTensor(targetType, source.Dimensions, step, (int)-Elements.Min(targetType));
                TestTensor got = target with
                {
                    Data = client.Run("Softmax", [source], [target], client.Real("beta", (float)beta), client.Whole("axis", 2))[0],
                };
                for (int row = 0; row < rows; row++)
                {
                    double max = double.MinValue, sum = 0;
                    for (int i = 0; i < columns; i++)
                    {
                        max = Math.Max(max, Elements.RealAt(source, (row * columns) + i));
                    }
                    for (int i = 0; i < columns; i++)
                    {
                        sum += Math.Exp((float)beta * (Elements.RealAt(source, (row * columns) + i) - max));
                    }
                    for (int i = 0; i < columns; i++)
                    {
                        int index = (row * columns) + i;
                        double exact = Math.Exp((float)beta * (Elements.RealAt(source, index) - max)) / sum;
                        // The largest value that fixed point can hold is one step below 1.
                        double error = Math.Abs(Elements.RealAt(got, index) - (isFloat ? exact : Math.Min(exact, 1 - step)));
                        Assert.True(error <= (isFloat ? 1e-6 : step * 0.5001), $"{exact}: error {error}, step {step}");
                    }
                }
            },
            iter: 15,
            threads: 1);
    }

    [Fact]
    public void Other_axes_types_and_ranks_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor U8(params uint[] dimensions) => new(QNN_DATATYPE_UFIXED_POINT_8, dimensions, 1f / 256);
        Assert.Equal(0UL, client.Validate("Softmax", [U8(1, 1, 2, 3, 4)], [U8(1, 1, 2, 3, 4)]));
        Assert.Equal(0UL, client.Validate("Softmax", [U8(2, 4)], [U8(2, 4)], client.Whole("axis", 1)));
        Assert.Equal(3110UL, client.Validate("Softmax", [U8(2, 4)], [U8(2, 4)], client.Whole("axis", 0)));
        Assert.Equal(3110UL, client.Validate("Softmax", [U8(1, 1, 1, 2, 3, 4)], [U8(1, 1, 1, 2, 3, 4)]));
        Assert.Equal(3110UL, client.Validate("Softmax", [U8(2, 4)], [U8(4, 2)]));
        Assert.Equal(3110UL, client.Validate("Softmax", [U8(2, 4)], [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [2, 4], 1f / 256, 128)]));
        Assert.Equal(3110UL, client.Validate("Softmax", [new TestTensor(QNN_DATATYPE_INT_32, [2, 4])], [U8(2, 4)]));
        Assert.Equal(3110UL, client.Validate("Softmax", [U8(2, 4)], [U8(2, 4)], client.Real("beta", float.NaN)));
    }
}
