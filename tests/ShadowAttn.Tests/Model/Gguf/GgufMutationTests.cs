using ShadowAttn.Model;
using ShadowAttn.Model.Llama;
using Xunit;

namespace ShadowAttn.Tests.Model.Gguf;

/// <summary>A damaged file is refused with its name, whatever is wrong with it.</summary>
[Collection(ProcessStateCollection.Name)]
public sealed class GgufMutationTests(ITestOutputHelper output)
{
    [Fact]
    public void A_header_with_changed_bytes_never_crashes()
    {
        byte[] whole = Head(TestModel.Path);
        using var folder = new TemporaryFolder();
        var random = new Random(11);
        int refused = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] bytes = whole.AsSpan().ToArray();

            // Half of the changes in the first kilobyte, where counts and lengths are.
            int changes = random.Next(1, 5);
            for (int c = 0; c < changes; c++)
            {
                int at = random.Next(i % 2 == 0 ? 1024 : bytes.Length);
                bytes[at] = random.Next(3) switch { 0 => 0xFF, 1 => (byte)(bytes[at] ^ (1 << random.Next(8))), _ => (byte)random.Next(256) };
            }

            string path = folder.File("mutated.gguf");
            File.WriteAllBytes(path, i % 7 == 0 ? bytes[..random.Next(bytes.Length)] : bytes);
            ModelException e = Assert.Throws<ModelException>(() => LanguageModel.Open(path, 1).Dispose());
            Assert.Contains("mutated.gguf", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            refused++;
        }

        output.WriteLine($"{refused} refused");
        Assert.True(GC.GetTotalMemory(forceFullCollection: true) < 1L << 30);
    }

    /// <summary>Everything before the tensors' data and a little of that: a truncated file, which is refused even without a change.</summary>
    private static byte[] Head(string path)
    {
        using FileStream file = File.OpenRead(path);
        var head = new byte[Math.Min(file.Length, 2_200_000)];
        file.ReadExactly(head);
        return head;
    }
}
