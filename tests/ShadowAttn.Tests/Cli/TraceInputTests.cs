using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Safetensors;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class TraceInputTests : IDisposable
{
    private static readonly int[] s_q = [4, 3, 8];
    private static readonly int[] s_kv = [2, 5, 8];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_bundled_trace_is_read()
    {
        using TraceInput trace = TraceInput.Open(RunOptions.BundledInput);
        Assert.Equal((9, 3, 512, 512, 64), (trace.Heads, trace.KvHeads, trace.QueryCount, trace.KeyCount, trace.HeadDim));
        Assert.Equal((true, 0.125f, "SmolLM2-135M-Instruct", 14), (trace.Causal, trace.Scale, trace.Model, trace.Layer));
        Assert.Equal((SafetensorsType.F16, SafetensorsType.F16), (trace.QueryType, trace.KeyType));

        using SafetensorsFile file = SafetensorsFile.Open(RunOptions.BundledInput);
        var last = new ushort[1];
        file.Read(file.Find("v")!, file.Find("v")!.ByteLength - 2, MemoryMarshal.AsBytes(last.AsSpan()));
        Assert.Equal((float)BitConverter.UInt16BitsToHalf(last[0]), trace.V[2, 511, 63]);
    }

    [Fact]
    public void Elements_land_where_their_index_says_and_absent_metadata_has_defaults()
    {
        using TraceInput trace = Open(TraceBytes.Trace(s_q, s_kv, s_kv));
        Assert.Equal((true, null, null), (trace.Causal, trace.Model, trace.Layer));
        Assert.Equal(1 / Math.Sqrt(8), trace.Scale, 6);
        for (int head = 0; head < 4; head++)
        {
            for (int query = 0; query < 3; query++)
            {
                Assert.Equal((((((head * 3) + query) * 8) + 7) / 16f) + 1, trace.Q[head, query, 7]);
            }
        }

        Assert.Equal((79 / 16f) + 1, trace.K[1, 4, 7]);
        Assert.Equal(1, trace.V[0, 0, 0]);
    }

    [Fact]
    public void Metadata_is_read()
    {
        using TraceInput trace = Open(TraceBytes.Trace(s_q, s_kv, s_kv, "\"causal\":\"false\",\"scale\":\"2.5e-1\",\"layer\":\"0\",\"model\":\"m\""));
        Assert.Equal((false, 0.25f, "m", 0), (trace.Causal, trace.Scale, trace.Model, trace.Layer));
    }

    [Theory]
    [InlineData("F16", 0x3E00, 1.5f)]
    [InlineData("F16", 0x0001, 5.9604645E-08f)]
    [InlineData("BF16", 0x3FC0, 1.5f)]
    [InlineData("BF16", 0xC000, -2f)]
    public void Sixteen_bit_types_are_widened_exactly(string type, int bits, float value)
    {
        var data = new ushort[3 * 16];
        Array.Fill(data, (ushort)bits);
        using TraceInput trace = Open(TraceBytes.File(SmallHeader(type, 32), MemoryMarshal.AsBytes(data.AsSpan())));
        Assert.Equal(value, trace.Q[0, 0, 0]);
        Assert.Equal(value, trace.V[0, 0, 15]);
        Assert.Equal(48, trace.Q.AsSpan().Count(value) + trace.K.AsSpan().Count(value) + trace.V.AsSpan().Count(value));
    }

    // q has 2 x 3 x 8 elements, k and v 1 x 5 x 8 each.
    [Theory]
    [InlineData(0, float.NaN, "q[0, 0, 0] is NaN")]
    [InlineData(24 + 16 + 5, float.NaN, "q[1, 2, 5] is NaN")]
    [InlineData(48 + 8, float.PositiveInfinity, "k[0, 1, 0] is infinity")]
    [InlineData(48 + 79, float.NegativeInfinity, "v[0, 4, 7] is -infinity")]
    public void Positions_of_elements_that_are_not_finite_are_given(int index, float value, string expected)
        => AssertRefused(TraceBytes.Trace([2, 3, 8], [1, 5, 8], [1, 5, 8], "", d => d[index] = value), expected, "must be finite");

    [Theory]
    [InlineData("F16", 0x7C00, "infinity")]
    [InlineData("F16", 0xFC00, "-infinity")]
    [InlineData("F16", 0x7E01, "NaN")]
    [InlineData("BF16", 0x7F80, "infinity")]
    [InlineData("BF16", 0xFFC1, "NaN")]
    public void Sixteen_bit_elements_that_are_not_finite_are_found(string type, int bits, string name)
    {
        var data = new ushort[48];
        data[17] = (ushort)bits;
        AssertRefused(TraceBytes.File(SmallHeader(type, 32), MemoryMarshal.AsBytes(data.AsSpan())), $"k[0, 0, 1] is {name}");
    }

    [Fact]
    public void Elements_behind_the_first_piece_are_looked_at()
        => AssertRefused(TraceBytes.Trace([1, 700, 100], [1, 700, 100], [1, 700, 100], "", d => d[69_999] = float.NaN), "q[0, 699, 99] is NaN");

    [Theory]
    [InlineData(new[] { 4, 3, 8 }, new[] { 2, 5, 8 }, new[] { 2, 6, 8 }, "k [2, 5, 8] and v [2, 6, 8] must have the same shape")]
    [InlineData(new[] { 4, 3, 8 }, new[] { 2, 5, 4 }, new[] { 2, 5, 4 }, "q [4, 3, 8] and k [2, 5, 4] must have the same last length")]
    [InlineData(new[] { 4, 3, 8 }, new[] { 3, 5, 8 }, new[] { 3, 5, 8 }, "q has 4 heads, which is no multiple of the 3 KV heads")]
    [InlineData(new[] { 2, 3, 8 }, new[] { 4, 5, 8 }, new[] { 4, 5, 8 }, "q has 2 heads, which is no multiple of the 4 KV heads")]
    [InlineData(new[] { 4, 6, 8 }, new[] { 2, 5, 8 }, new[] { 2, 5, 8 }, "q has 6 queries, more than the 5 keys")]
    [InlineData(new[] { 4, 24 }, new[] { 2, 5, 8 }, new[] { 2, 5, 8 }, "tensor 'q' has shape [4, 24]; three dimensions are needed, [heads, queries, dim]")]
    [InlineData(new[] { 4, 3, 8 }, new[] { 1, 2, 5, 8 }, new[] { 2, 5, 8 }, "tensor 'k' has shape [1, 2, 5, 8]; three dimensions are needed, [kv_heads, keys, dim]")]
    [InlineData(new[] { 4, 3, 8 }, new[] { 2, 5, 8 }, new int[0], "tensor 'v' has shape []")]
    [InlineData(new[] { 0, 3, 8 }, new[] { 2, 5, 8 }, new[] { 2, 5, 8 }, "tensor 'q' has shape [0, 3, 8]; every length must be 1 to")]
    [InlineData(new[] { 4, 3, 0 }, new[] { 2, 5, 0 }, new[] { 2, 5, 0 }, "tensor 'q' has shape [4, 3, 0]; every length must be 1 to")]
    [InlineData(new[] { 4, 3, 8 }, new[] { 2, 0, 8 }, new[] { 2, 0, 8 }, "tensor 'k' has shape [2, 0, 8]; every length must be 1 to")]
    [InlineData(new[] { 1, 1, 4097 }, new[] { 1, 1, 4097 }, new[] { 1, 1, 4097 }, "have 4097 elements per row (dim); at most 4096 are supported")]
    public void Shapes_that_do_not_fit_are_refused(int[] q, int[] k, int[] v, string reason) => AssertRefused(TraceBytes.Trace(q, k, v), reason);

    [Theory]
    [InlineData("\"causal\":\"yes\"", "metadata causal is 'yes'; it must be true or false")]
    [InlineData("\"causal\":\"\"", "metadata causal is ''")]
    [InlineData("\"scale\":\"big\"", "metadata scale is 'big'; it must be a number above 0")]
    [InlineData("\"scale\":\"0\"", "metadata scale is '0'")]
    [InlineData("\"scale\":\"-1\"", "metadata scale is '-1'")]
    [InlineData("\"scale\":\"NaN\"", "metadata scale is 'NaN'")]
    [InlineData("\"scale\":\"1e99\"", "metadata scale is '1e99'")]
    [InlineData("\"scale\":\"0,125\"", "metadata scale is '0,125'")]
    [InlineData("\"layer\":\"-1\"", "metadata layer is '-1'; it must be a whole number")]
    [InlineData("\"layer\":\"1.5\"", "metadata layer is '1.5'")]
    public void Wrong_metadata_is_refused(string metadata, string reason) => AssertRefused(TraceBytes.Trace(s_q, s_kv, s_kv, metadata), reason);

    [Theory]
    [InlineData("F64", 128)]
    [InlineData("I32", 64)]
    [InlineData("I8", 16)]
    public void Types_that_are_no_trace_are_refused(string type, int bytes)
        => AssertRefused(TraceBytes.File(SmallHeader(type, bytes), new byte[3 * bytes]), $"tensor 'q' is {type}; F32, F16 or BF16 is needed");

    [Fact]
    public void A_missing_tensor_is_named()
    {
        AssertRefused(TraceBytes.File("""{"q":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]}}""", new byte[4]), "there is no tensor 'k'");
        AssertRefused(TraceBytes.File("""{"Q":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]}}""", new byte[4]), "there is no tensor 'q'");
    }

    // q, k, v of 1 x 1 x 16 elements each.
    private static string SmallHeader(string type, int bytes) => $$$"""
        {"q":{"dtype":"{{{type}}}","shape":[1,1,16],"data_offsets":[0,{{{bytes}}}]},
        "k":{"dtype":"{{{type}}}","shape":[1,1,16],"data_offsets":[{{{bytes}}},{{{2 * bytes}}}]},
        "v":{"dtype":"{{{type}}}","shape":[1,1,16],"data_offsets":[{{{2 * bytes}}},{{{3 * bytes}}}]}}
        """;

    private TraceInput Open(byte[] file) => TraceInput.Open(_folder.Write("trace.safetensors", file));

    private void AssertRefused(byte[] file, params string[] parts)
    {
        string path = _folder.Write("trace.safetensors", file);
        string message = Assert.Throws<InputException>(() => TraceInput.Open(path)).Message;
        Assert.StartsWith(path + ": ", message, StringComparison.Ordinal);
        Assert.All(parts, p => Assert.Contains(p, message, StringComparison.Ordinal));
    }
}
