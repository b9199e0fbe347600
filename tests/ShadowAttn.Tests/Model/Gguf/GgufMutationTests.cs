using ShadowAttn.Memory;
using ShadowAttn.Model;
using ShadowAttn.Model.Llama;
using ShadowAttn.Tests.Model.Llama;
using Xunit;

namespace ShadowAttn.Tests.Model.Gguf;

/// <summary>A file with a damaged header is refused by its name, or is a model that runs.</summary>
[Collection(ProcessStateCollection.Name)]
public sealed class GgufMutationTests(ITestOutputHelper output) : IDisposable
{
    private const long MostBytes = 1L << 30;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void No_mutation_of_a_header_causes_anything_but_a_clear_refusal_or_a_model()
    {
        // Emulated, a run takes twenty times as long.
        int count = Emulation.IsEmulated ? 100 : 2000;
        (byte[] whole, int header) = new TinyModel().Builder.Build();
        LiveAllocations before = UnmanagedBuffer.Live;
        int refused = 0;
        long most = 0;
        GC.Collect();
        bool counts = ResidentMemory.ResetPeak();
        long resident = ResidentMemory.Now ?? 0;
        for (int seed = 0; seed < count; seed++)
        {
            string path = folder.Write("mutated.gguf", Mutate(new Random(seed), whole, header));
            try
            {
                using LanguageModel model = LanguageModel.Open(path, 1);
                LanguageModelTests.Run(model, [1, 2, 3, 4, 5]);
                most = Math.Max(most, UnmanagedBuffer.Live.Bytes);
            }
            catch (ModelException e)
            {
                refused++;
                Assert.StartsWith(path + ": ", e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', e.Message);
            }
            catch (Exception e) when (e is not ModelException)
            {
                Assert.Fail($"mutation {seed}: {e}");
            }
        }

        output.WriteLine($"{refused} of {count} refused");
        Assert.InRange(refused, count / 4, count - (count / 100));
        Assert.InRange(Math.Max(most, GC.GetTotalMemory(forceFullCollection: false)), 0, MostBytes);
        if (counts)
        {
            long peak = ResidentMemory.Peak!.Value - resident;
            output.WriteLine($"at most {peak / 1e6:F0} MB more in RAM than at the start");
            Assert.InRange(peak, 0, MostBytes);
        }

        Assert.Equal(before, UnmanagedBuffer.Live);
    }

    [Fact]
    public void The_header_of_a_real_model_cut_and_changed_is_refused()
    {
        using FileStream file = File.OpenRead(TestModel.Path);
        var head = new byte[2_200_000];
        file.ReadExactly(head);
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = Mutate(random, head, random.Next(2) == 0 ? 1024 : head.Length);
            string path = folder.Write("mutated.gguf", bytes);
            ModelException e = Assert.Throws<ModelException>(() => LanguageModel.Open(path, 1).Dispose());
            Assert.Contains("mutated.gguf", e.Message, StringComparison.Ordinal);
        }
    }

    private static byte[] Mutate(Random random, byte[] whole, int header)
    {
        byte[] bytes = [.. whole];
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(header);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.AsSpan(at, Math.Min(random.Next(1, 9), header - at)).Fill(random.Next(2) == 0 ? (byte)0xFF : (byte)0);
                    break;
                default:
                    bytes.AsSpan(random.Next(header - 8), 8).CopyTo(bytes.AsSpan(Math.Min(at, header - 8)));
                    break;
            }
        }

        return random.Next(10) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }
}
