using System.Runtime.InteropServices;
using CsCheck;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public class ElementwiseTests
{
    private static readonly Qnn_DataType_t[] Fixed =
        [QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_SFIXED_POINT_16];

    public static TheoryData<string, Qnn_DataType_t> Functions
    {
        get
        {
            var data = new TheoryData<string, Qnn_DataType_t>();
            foreach (string function in (string[])["Add", "Subtract", "Multiply", "Divide", "Minimum", "Maximum"])
            {
                foreach (Qnn_DataType_t type in (Qnn_DataType_t[])[.. Fixed, QNN_DATATYPE_INT_32, QNN_DATATYPE_FLOAT_32])
                {
                    if (type != QNN_DATATYPE_SFIXED_POINT_16 || function is not ("Minimum" or "Maximum"))
                    {
                        data.Add(function, type);
                    }
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Binary_functions_equal_the_formula_with_broadcasting(string function, Qnn_DataType_t type)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 4], Gen.Int[1, 40], Gen.Int[0, 63], Gen.Int[-30, 30], Gen.UInt).Sample(
            (outer, rows, columns, repeats, offset, seed) =>
            {
                var random = new Random((int)seed);
                bool isFixed = Array.IndexOf(Fixed, type) >= 0;
                uint[] Shape(int bits) =>
                    [(bits & 1) != 0 ? 1 : (uint)outer, (bits & 2) != 0 ? 1 : (uint)rows, (bits & 4) != 0 ? 1 : (uint)columns];
                uint[] shapeA = Shape(repeats & 7), shapeB = Shape(repeats >> 3);
                uint[] shapeOut = [.. shapeA.Zip(shapeB, Math.Max)];
                float scaleA = isFixed ? 0.037f : 0, scaleB = isFixed ? 0.011f : 0, scaleOut = isFixed ? 0.029f : 0;
                var a = new TestTensor(type, shapeA, scaleA, isFixed ? offset : 0);
                // A missing leading axis is one of length 1.
                var b = new TestTensor(type, shapeB[0] == 1 ? shapeB[1..] : shapeB, scaleB, isFixed ? -offset : 0);
                a = a with { Data = Draw(random, a) };
                b = b with { Data = Draw(random, b) };
                var result = new TestTensor(type, shapeOut, scaleOut, isFixed ? 3 : 0);
                TestTensor got = result with { Data = client.Run($"ElementWise{function}", [a, b], [result])[0] };
                for (int i = 0; i < got.Elements; i++)
                {
                    double realA = Real(a, Source(i, shapeOut, shapeA)), realB = Real(b, Source(i, shapeOut, shapeB));
                    double exact = function switch
                    {
                        "Add" => realA + realB,
                        "Subtract" => realA - realB,
                        "Multiply" => realA * realB,
                        "Divide" => type == QNN_DATATYPE_INT_32 ? Math.Truncate(realA / realB) : realA / realB,
                        "Minimum" => Math.Min(realA, realB),
                        _ => Math.Max(realA, realB),
                    };
                    if (type == QNN_DATATYPE_FLOAT_32)
                    {
                        Assert.Equal((float)exact, Elements.At(got, i));
                        continue;
                    }
                    double steps = isFixed ? exact / result.Scale : exact;
                    if (double.IsNaN(steps))
                    {
                        continue;
                    }
                    double expected = Math.Clamp(Math.Floor(steps + 0.5) - result.Offset, Elements.Min(type), Elements.Max(type));
                    double slack = Math.Abs(steps - Math.Floor(steps) - 0.5) < 1e-6 ? 1 : 0;
                    Assert.True(Math.Abs(Elements.At(got, i) - expected) <= slack, $"{realA}, {realB}: {Elements.At(got, i)}, expected {expected}");
                }
            },
            iter: 12,
            threads: 1);
    }

    /// <summary>Full range, but no overflow of INT_32 products.</summary>
    private static byte[] Draw(Random random, TestTensor tensor) => tensor.DataType == QNN_DATATYPE_INT_32
        ? MemoryMarshal.AsBytes<int>(Enumerable.Range(0, tensor.Elements).Select(_ => random.Next(-40000, 40000)).ToArray()).ToArray()
        : Elements.Draw(random, tensor);

    private static double Real(TestTensor tensor, int index) =>
        tensor.DataType == QNN_DATATYPE_INT_32 ? Elements.At(tensor, index) : Elements.RealAt(tensor, index);

    /// <summary>Index in an operand of shape <paramref name="from"/> for index <paramref name="i"/> of the broadcast shape.</summary>
    private static int Source(int i, uint[] shape, uint[] from)
    {
        int z = i % (int)shape[2], y = i / (int)shape[2] % (int)shape[1], x = i / (int)(shape[2] * shape[1]);
        return (int)((((x % from[0]) * from[1]) + (y % from[1])) * from[2] + (z % from[2]));
    }

    [Fact]
    public void Operands_that_do_not_broadcast_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor U8(params uint[] dimensions) => new(QNN_DATATYPE_UFIXED_POINT_8, dimensions, 0.5f);
        Assert.Equal(0UL, client.Validate("ElementWiseAdd", [U8(2, 3, 4, 8), U8(8)], [U8(2, 3, 4, 8)]));
        Assert.Equal(0UL, client.Validate("ElementWiseAdd", [U8(2, 1, 4, 8), U8(2, 3, 4, 8)], [U8(2, 3, 4, 8)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseAdd", [U8(2, 3, 4, 8), U8(2, 3, 4, 4)], [U8(2, 3, 4, 8)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseAdd", [U8(2, 3), U8(2, 3)], [U8(2, 4)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseAdd", [U8(1, 1, 2, 3, 4, 8), U8(1, 1, 2, 3, 4, 8)], [U8(1, 1, 2, 3, 4, 8)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseAdd", [U8(4), new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [4], 1)], [U8(4)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseAdd", [U8(4), U8(4) with { Scale = 0 }], [U8(4)]));
        Assert.Equal(3110UL, client.Validate("ElementWiseMinimum", [.. Two(QNN_DATATYPE_SFIXED_POINT_16)], [Two(QNN_DATATYPE_SFIXED_POINT_16)[0]]));
    }

    private static TestTensor[] Two(Qnn_DataType_t type) => [new(type, [4], 0.5f), new(type, [4], 0.5f)];

    public static TheoryData<Qnn_DataType_t, Qnn_DataType_t> Conversions
    {
        get
        {
            var data = new TheoryData<Qnn_DataType_t, Qnn_DataType_t>();
            foreach (Qnn_DataType_t source in Fixed)
            {
                foreach (Qnn_DataType_t target in Fixed)
                {
                    data.Add(source, target);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Conversions))]
    public void Convert_requantises(Qnn_DataType_t sourceType, Qnn_DataType_t targetType)
    {
        using TableClient client = TableClient.OfSoftHtp();
        var random = new Random(5);
        var source = new TestTensor(sourceType, [3, 500], (float)(5 / Elements.Max(sourceType)), -11);
        source = source with { Data = Elements.Draw(random, source) };
        var target = new TestTensor(targetType, [3, 500], (float)(4 / Elements.Max(targetType)), 7);
        TestTensor got = target with { Data = client.Run("Convert", [source], [target])[0] };
        for (int i = 0; i < got.Elements; i++)
        {
            double steps = Elements.RealAt(source, i) / target.Scale;
            double expected = Math.Clamp(Math.Floor(steps + 0.5) - 7, Elements.Min(targetType), Elements.Max(targetType));
            double slack = Math.Abs(steps - Math.Floor(steps) - 0.5) < 1e-5 ? 1 : 0;
            Assert.True(Math.Abs(Elements.At(got, i) - expected) <= slack, $"{steps}: {Elements.At(got, i)}, expected {expected}");
        }
    }

    [Fact]
    public void Convert_refuses_encodings_that_change_at_run_time()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor u8 = new(QNN_DATATYPE_UFIXED_POINT_8, [4], 0.5f);
        Assert.Equal(0UL, client.Validate("Convert", [u8], [u8 with { Scale = 0.25f }], client.Flag("dynamic_input_data", false)));
        Assert.Equal(3110UL, client.Validate("Convert", [u8], [u8 with { Scale = 0.25f }], client.Flag("dynamic_input_data", true)));
        Assert.Equal(3110UL, client.Validate("Convert", [u8], [new TestTensor(QNN_DATATYPE_INT_32, [4])]));
        Assert.Equal(3110UL, client.Validate("Convert", [u8], [u8 with { Dimensions = [2, 2] }]));
    }

    [Theory]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16)]
    [InlineData(QNN_DATATYPE_FLOAT_32)]
    public void Transpose_moves_axes(Qnn_DataType_t type)
    {
        using TableClient client = TableClient.OfSoftHtp();
        float scale = type == QNN_DATATYPE_FLOAT_32 ? 0 : 0.5f;
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 4], Gen.Int[1, 7], Gen.Int[1, 9], Gen.Int[0, 23], Gen.UInt).Sample(
            (a, b, c, d, order, seed) =>
            {
                uint[] shape = [(uint)a, (uint)b, (uint)c, (uint)d];
                uint[] perm = Permutation(order);
                var source = new TestTensor(type, shape, scale);
                source = source with { Data = Elements.Draw(new Random((int)seed), source) };
                var target = new TestTensor(type, [.. perm.Select(axis => shape[axis])], scale);
                TestTensor got = target with { Data = client.Run("Transpose", [source], [target], Perm(client, perm))[0] };
                for (int i = 0; i < got.Elements; i++)
                {
                    int rest = i;
                    int[] index = new int[4];
                    for (int axis = 3; axis >= 0; axis--)
                    {
                        index[perm[axis]] = rest % (int)target.Dimensions[axis];
                        rest /= (int)target.Dimensions[axis];
                    }
                    int from = (((((index[0] * b) + index[1]) * c) + index[2]) * d) + index[3];
                    Assert.Equal(Elements.At(source, from), Elements.At(got, i));
                }
            },
            iter: 30,
            threads: 1);
    }

    private static Qnn_Param_t Perm(TableClient client, uint[] perm) => client.TensorParameter(
        "perm",
        client.Tensor(
            "perm",
            Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC,
            new TestTensor(QNN_DATATYPE_UINT_32, [(uint)perm.Length], 0, 0, MemoryMarshal.AsBytes<uint>(perm).ToArray())));

    private static uint[] Permutation(int order)
    {
        List<uint> left = [0, 1, 2, 3];
        var perm = new uint[4];
        for (int i = 0; i < 4; i++)
        {
            int pick = order % left.Count;
            order /= left.Count;
            perm[i] = left[pick];
            left.RemoveAt(pick);
        }
        return perm;
    }

    [Fact]
    public void Transpose_refuses_what_is_no_permutation()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor U8(params uint[] dimensions) => new(QNN_DATATYPE_UFIXED_POINT_8, dimensions, 0.5f);
        Assert.Equal(0UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)], Perm(client, [1, 0])));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)]));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)], Perm(client, [1, 1])));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)], Perm(client, [1, 2])));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)], Perm(client, [1, 0, 2])));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(2, 3)], Perm(client, [1, 0])));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2)], client.Whole("perm", 1)));
        Assert.Equal(3110UL, client.Validate("Transpose", [U8(2, 3)], [U8(3, 2) with { Scale = 0.25f }], Perm(client, [1, 0])));
    }

    [Fact]
    public void Reshape_keeps_the_elements()
    {
        using TableClient client = TableClient.OfSoftHtp();
        var source = new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [2, 3, 20], 0.5f);
        source = source with { Data = Elements.Draw(new Random(1), source) };
        TestTensor target = source with { Dimensions = [1, 12, 10], Data = null };
        Assert.Equal(source.Data, client.Run("Reshape", [source], [target])[0]);
        Assert.Equal(3110UL, client.Validate("Reshape", [source], [target with { Dimensions = [119] }]));
        Assert.Equal(3110UL, client.Validate("Reshape", [source], [target with { Scale = 0.25f }]));
        Assert.Equal(3110UL, client.Validate("Reshape", [source], [new TestTensor(QNN_DATATYPE_UFIXED_POINT_8, [120], 0.5f)]));
    }
}
