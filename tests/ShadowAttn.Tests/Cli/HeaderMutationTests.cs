using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Cli;

[Collection(ProcessStateCollection.Name)]
public sealed class HeaderMutationTests : IDisposable
{
    private static readonly string[] s_tokens =
    [
        "0", "-1", "9", "64", "512", "1e5", "99999999999999999999", "9223372036854775807", "\"", "{", "}", "[", "]", ",", ":", "null", "true", "\\", "\\u0000",
        "\"q\"", "\"k\"", "F16", "BF16", "F32", "dtype", "shape", "data_offsets", "__metadata__", "\0", "\n", " ", "\u00FF", "false", "",
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void No_mutation_of_a_header_causes_anything_but_a_clear_refusal_or_a_trace()
    {
        // Emulated, a run takes twenty times as long.
        int count = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 2000 : 200;
        byte[] original = File.ReadAllBytes(RunOptions.BundledInput);
        int headerBytes = (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        byte[] header = original[8..(8 + headerBytes)];
        int dataBytes = original.Length - 8 - headerBytes;
        LiveAllocations before = UnmanagedBuffer.Live;
        int refused = 0;
        for (int seed = 0; seed < count; seed++)
        {
            string path = WriteMutation(new Random(seed), header, dataBytes);
            try
            {
                TraceInput.Open(path).Dispose();
            }
            catch (InputException e)
            {
                refused++;
                Assert.StartsWith(path + ": ", e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', e.Message);
            }
            catch (Exception e) when (e is not InputException)
            {
                Assert.Fail($"mutation {seed}: {e}");
            }
        }

        Assert.InRange(refused, count / 4, count - (count / 100));
        Assert.Equal(before, UnmanagedBuffer.Live);
    }

    // The data is a hole in the file: zeros, which are as good as any data and cost no writing.
    private string WriteMutation(Random random, byte[] header, int dataBytes)
    {
        byte[] start = TraceBytes.File(Mutate(random, header), []);
        if (random.Next(10) == 0)
        {
            start[random.Next(8)] ^= (byte)(1 << random.Next(8));
        }

        int fileBytes = start.Length + dataBytes;
        string path = _folder.Write("mutant.safetensors", start);
        using var stream = new FileStream(path, FileMode.Open);
        stream.SetLength(random.Next(10) == 0 ? random.Next(fileBytes) : fileBytes);
        return path;
    }

    private static byte[] Mutate(Random random, byte[] header)
    {
        var bytes = new List<byte>(header);
        for (int change = random.Next(1, 4); change > 0; change--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at - 1));
                    break;
                case 3:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(s_tokens[random.Next(s_tokens.Length)]));
                    break;
                case 4:
                    ReplaceNumber(random, bytes, at);
                    break;
                default:
                    int from = random.Next(bytes.Count);
                    bytes.InsertRange(at, bytes.GetRange(from, Math.Min(random.Next(1, 60), bytes.Count - from)));
                    break;
            }
        }

        return [.. bytes];
    }

    // The next digits behind a position become another token, or other digits of the same length.
    private static void ReplaceNumber(Random random, List<byte> bytes, int at)
    {
        int start = bytes.FindIndex(at, b => b is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
        {
            return;
        }

        int end = start;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
        {
            end++;
        }

        if (random.Next(2) == 0)
        {
            bytes[random.Next(start, end)] = (byte)('0' + random.Next(10));
            return;
        }

        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(s_tokens[random.Next(s_tokens.Length)]));
    }
}
