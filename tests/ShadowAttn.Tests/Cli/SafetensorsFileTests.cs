using ShadowAttn.Cli;
using ShadowAttn.Cli.Safetensors;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Each with 16 bytes of data.
    [Theory]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}""", "no valid JSON")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}""", "no valid JSON")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},}""", "no valid JSON")]
    [InlineData("""{"q":{"dtype":"F32" "shape":[4],"data_offsets":[0,16]}}""", "no valid JSON")]
    [InlineData("""[{"q":1}]""", "does not start with '{'")]
    [InlineData("""  {"q":1}""", "does not start with '{'")]
    [InlineData("\0\0\0\0", "does not start with '{'")]
    [InlineData("""{"q":1}""", "tensor 'q' must be an object")]
    [InlineData("""{"q":[1]}""", "tensor 'q' must be an object")]
    [InlineData("""{"q":null}""", "tensor 'q' must be an object")]
    [InlineData("""{"q":{}}""", "tensor 'q' has no dtype")]
    [InlineData("""{"q":{"dtype":"F32"}}""", "tensor 'q' has no shape")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4]}}""", "tensor 'q' has no data_offsets")]
    [InlineData("""{"q":{"dtype":"F33","shape":[4],"data_offsets":[0,16]}}""", "tensor 'q' has the unknown dtype 'F33'")]
    [InlineData("""{"q":{"dtype":"f32","shape":[4],"data_offsets":[0,16]}}""", "unknown dtype 'f32'")]
    [InlineData("""{"q":{"dtype":32,"shape":[4],"data_offsets":[0,16]}}""", "dtype must be a string")]
    [InlineData("""{"q":{"dtype":"F32","shape":4,"data_offsets":[0,16]}}""", "shape must be an array")]
    [InlineData("""{"q":{"dtype":"F32","shape":["4"],"data_offsets":[0,16]}}""", "shape[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[1,4.5],"data_offsets":[0,16]}}""", "shape[1] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}""", "shape[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4e0],"data_offsets":[0,16]}}""", "shape[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,16]}}""", "shape[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[[4]],"data_offsets":[0,16]}}""", "shape[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}}""", "too large for any file")]
    [InlineData("""{"q":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,16]}}""", "too large for any file")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[0]}}""", "data_offsets must be two numbers, begin and end, not 1")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[0,8,16]}}""", "not 3")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":{"b":0}}}""", "data_offsets must be an array")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}""", "data_offsets end at 0, before they begin at 16")]
    [InlineData("""{"q":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}""", "data_offsets[0] must be a whole number")]
    [InlineData("""{"q":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}""", "hold 16 bytes, but F32 of shape [3] needs 12")]
    [InlineData("""{"q":{"dtype":"F16","shape":[4],"data_offsets":[0,16]}}""", "hold 16 bytes, but F16 of shape [4] needs 8")]
    [InlineData("""{"q":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", "needs 12 bits")]
    [InlineData("""{"q":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}""", "tensor 'q' ends at byte 20 of the data, but the file has only 16")]
    [InlineData("""{"q":{"dtype":"F32","shape":[],"data_offsets":[9223372036854775803,9223372036854775807]}}""", "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "tensors 'a' and 'b' overlap at byte 8")]
    [InlineData("""{"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "overlap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "bytes 4 to 8 of the data, before tensor 'b', belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}""", "bytes 12 to 16 of the data belong to no tensor")]
    [InlineData("""{}""", "bytes 0 to 16 of the data belong to no tensor")]
    [InlineData("""{"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"q":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "has 'q' twice")]
    [InlineData("""{"q":{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[0,16]}}""", "tensor 'q' has dtype twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", "has '__metadata__' twice")]
    [InlineData("""{"__metadata__":"causal"}""", "__metadata__ must be an object of strings")]
    [InlineData("""{"__metadata__":{"causal":true}}""", "metadata 'causal' must be a string")]
    [InlineData("""{"__metadata__":{"layer":{"n":"1"}}}""", "metadata 'layer' must be a string")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", "metadata 'a' is there twice")]
    [InlineData("""{"__metadata__":{"a":"\ud800"}}""", "no valid text")]
    [InlineData("""{"line\nbreak":{}}""", """tensor 'line\u000abreak' has no dtype""")]
    public void Lying_headers_are_refused_with_the_file_and_the_reason(string header, string reason)
    {
        string path = _folder.Write("bad.safetensors", TraceBytes.File(header, new byte[16]));
        string message = Assert.Throws<InputException>(() => SafetensorsFile.Open(path)).Message;
        Assert.StartsWith(path + ": ", message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Headers_that_are_no_utf8_or_nest_deeply_are_refused()
    {
        string path = _folder.Write("bad.safetensors", TraceBytes.File([(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)':', (byte)'1', (byte)'}'], []));
        Assert.Throws<InputException>(() => SafetensorsFile.Open(path));
        string deep = "{\"q\":{\"x\":" + new string('[', 100_000) + new string(']', 100_000) + "}}";
        path = _folder.Write("deep.safetensors", TraceBytes.File(deep, []));
        Assert.Contains("no valid JSON", Assert.Throws<InputException>(() => SafetensorsFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(100_000_001UL)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    public void Impossible_header_lengths_are_refused(ulong length)
    {
        byte[] file = TraceBytes.File("{}", new byte[100]);
        BitConverter.TryWriteBytes(file, length);
        string message = Assert.Throws<InputException>(() => SafetensorsFile.Open(_folder.Write("bad", file))).Message;
        Assert.Contains($"length is given as {length} bytes, but must be 2 to 100000000", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Headers_longer_than_the_file_are_refused()
    {
        byte[] file = TraceBytes.File("{}", new byte[100]);
        BitConverter.TryWriteBytes(file, 103UL);
        string message = Assert.Throws<InputException>(() => SafetensorsFile.Open(_folder.Write("bad", file))).Message;
        Assert.Contains("given as 103 bytes, but only 102 follow", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_file_is_refused()
    {
        Assert.EndsWith("there is no such file", Open("nothing"), StringComparison.Ordinal);
        Assert.EndsWith("there is no such file", Open("no\0thing"), StringComparison.Ordinal);
        Assert.Contains("is a folder", Open("."), StringComparison.Ordinal);
        Assert.Contains("is empty", Open(_folder.Write("empty", [])), StringComparison.Ordinal);
        Assert.Contains("has 7 bytes, too few", Open(_folder.Write("short", new byte[7])), StringComparison.Ordinal);
        Assert.Contains("name of the safetensors file is empty", Assert.Throws<InputException>(() => SafetensorsFile.Open("")).Message,
            StringComparison.Ordinal);

        string Open(string name) => Assert.Throws<InputException>(() => SafetensorsFile.Open(_folder.File(name))).Message;
    }

    [Fact]
    public void Everything_that_the_format_allows_is_read()
    {
        const string header = """
            {"w":{"shape":[2,0,3],"data_offsets":[2,2],"dtype":"I64"}, "__metadata__":{"ä":"\u00e4","empty":""},
            "s":{"dtype":"BOOL","shape":[],"data_offsets":[0,1],"later":{"x":[1,{}]}},"t":{"dtype":"F4","shape":[2],"data_offsets":[1,2]}}        
            """;
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("good", TraceBytes.File(header, [7, 9])));
        Assert.Equal(["s", "t", "w"], file.Tensors.Select(t => t.Name));
        Assert.Equal("ä", file.Metadata["ä"]);
        Assert.Equal("[2, 0, 3]", file.Find("w")!.ShapeText);
        Assert.Equal("I64", file.Find("w")!.Type.Name);
        Assert.Null(file.Find("x"));
        var bytes = new byte[1];
        file.Read(file.Find("t")!, 0, bytes);
        Assert.Equal(9, bytes[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(file.Find("t")!, 1, bytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(file.Find("t")!, -1, bytes));
    }

    [Fact]
    public void A_file_that_shrinks_while_it_is_open_is_reported()
    {
        string path = _folder.Write("shrinks", TraceBytes.File("""{"q":{"dtype":"U8","shape":[100],"data_offsets":[0,100]}}""", new byte[100]));
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems lock open files");
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(100);
        }

        string message = Assert.Throws<InputException>(() => file.Read(file.Tensors[0], 0, new byte[100])).Message;
        Assert.Contains("has become shorter", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_writer_writes_the_reader_reads()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(sizeof(float) * 400_000);
        Span<float> values = buffer.AsSpan<float>();
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = i * 0.5f;
        }

        string path = _folder.File("out.safetensors");
        var metadata = new Dictionary<string, string> { ["mode"] = "dense", ["quote\"\n"] = "ü" };
        SafetensorsWriter.Write(path, metadata, ("o", buffer.View<float>(4, 10, 10_000)), ("p", buffer.View<float>(5)));
        SafetensorsWriter.Write(path, metadata, ("o", buffer.View<float>(4, 10, 10_000)), ("p", buffer.View<float>(5)));

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(metadata, file.Metadata);
        Assert.Equal("[4, 10, 10000]", file.Find("o")!.ShapeText);
        Assert.Equal(SafetensorsType.F32, file.Find("o")!.Type);
        var read = new byte[1_600_000];
        file.Read(file.Find("o")!, 0, read);
        Assert.True(read.AsSpan().SequenceEqual(buffer.AsSpan<byte>()));
        Assert.Equal(20, file.Find("p")!.ByteLength);
        Assert.Equal(0, (new FileInfo(path).Length - 1_600_020) % 8);
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void The_writer_refuses_gaps()
    {
        using UnmanagedBuffer buffer = UnmanagedBuffer.Allocate(64);
        TensorView<float> columns = buffer.View<float>(4, 4).Slice(1, 0, 2);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder.File("x"), "o", columns, new Dictionary<string, string>()));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }
}
