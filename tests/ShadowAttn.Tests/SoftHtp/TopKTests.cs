using CsCheck;
using ShadowAttn.Interop.Qnn;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

public class TopKTests
{
    [Theory]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UINT_32)]
    [InlineData(QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_INT_32)]
    [InlineData(QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_UINT_32)]
    [InlineData(QNN_DATATYPE_INT_32, QNN_DATATYPE_UINT_32)]
    public void Descends_with_the_larger_index_first_among_equals(Qnn_DataType_t type, Qnn_DataType_t indexType)
    {
        using TableClient client = TableClient.OfSoftHtp();
        Gen.Select(Gen.Int[1, 6], Gen.Int[1, 300], Gen.Double[0, 1], Gen.Bool, Gen.UInt).Sample(
            (rows, length, share, fewLevels, seed) =>
            {
                var random = new Random((int)seed);
                int kept = Math.Max(1, (int)(length * share));
                bool isFixed = type != QNN_DATATYPE_INT_32;
                var source = new TestTensor(type, [1, (uint)rows, (uint)length], isFixed ? 0.5f : 0, 0);
                byte[] data = Elements.Draw(random, source);
                if (fewLevels)
                {
                    // Most values equal another: what decides is the index.
                    for (int i = 0; i < data.Length; i++)
                    {
                        data[i] &= (byte)(i % (source.Bytes / source.Elements) == 0 ? 3 : 0);
                    }
                }
                source = source with { Data = data };
                byte[][] got = client.Run(
                    "TopK",
                    [source],
                    [
                        new TestTensor(type, [1, (uint)rows, (uint)kept], source.Scale),
                        new TestTensor(indexType, [1, (uint)rows, (uint)kept]),
                    ],
                    client.Whole("k", (uint)kept));
                var values = new TestTensor(type, [1, (uint)rows, (uint)kept], source.Scale, 0, got[0]);
                var indices = new TestTensor(QNN_DATATYPE_UINT_32, [1, (uint)rows, (uint)kept], 0, 0, got[1]);
                for (int row = 0; row < rows; row++)
                {
                    int[] expected = Enumerable.Range(0, length)
                        .OrderByDescending(i => Elements.At(source, (row * length) + i))
                        .ThenByDescending(i => i)
                        .Take(kept)
                        .ToArray();
                    for (int i = 0; i < kept; i++)
                    {
                        Assert.Equal(expected[i], Elements.At(indices, (row * kept) + i));
                        Assert.Equal(Elements.At(source, (row * length) + expected[i]), Elements.At(values, (row * kept) + i));
                    }
                }
            },
            iter: 30,
            threads: 1);
    }

    [Fact]
    public void Wrong_k_shapes_types_and_encodings_are_refused()
    {
        using TableClient client = TableClient.OfSoftHtp();
        TestTensor U8(params uint[] dimensions) => new(QNN_DATATYPE_UFIXED_POINT_8, dimensions, 0.5f);
        TestTensor Index(params uint[] dimensions) => new(QNN_DATATYPE_UINT_32, dimensions);
        Qnn_Param_t K(uint k) => client.Whole("k", k);
        Assert.Equal(0UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4), Index(2, 4)], K(4)));
        Assert.Equal(0UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 9), Index(2, 9)], K(9)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 10), Index(2, 10)], K(10)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4), Index(2, 4)], K(0)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4), Index(2, 4)]));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4), Index(3, 4)], K(4)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4) with { Scale = 0.25f }, Index(2, 4)], K(4)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(2, 9)], [U8(2, 4), U8(2, 4)], K(4)));
        Assert.Equal(3110UL, client.Validate("TopK", [U8(1, 1, 1, 2, 9)], [U8(1, 1, 1, 2, 4), Index(1, 1, 1, 2, 4)], K(4)));
        Assert.Equal(3110UL, client.Validate("TopK", [new TestTensor(QNN_DATATYPE_FLOAT_32, [2, 9])], [U8(2, 4), Index(2, 4)], K(4)));
    }
}
