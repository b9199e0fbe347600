using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Tests.Attention;
using Xunit;

namespace ShadowAttn.Tests.Samples;

/// <summary>The pages' code is what is compiled here, and it runs.</summary>
public sealed class CSharpSamplesTests
{
    [Theory]
    [InlineData("README.md", 2)]
    [InlineData("docs/use-from-csharp.md", 6)]
    [InlineData("docs/qnn-client-in-csharp.md", 5)]
    [InlineData("interop/ShadowAttn.Interop/README.md", 1)]
    [InlineData("native/ShadowAttn.Memory/README.md", 1)]
    [InlineData("kernels/ShadowAttn.Kernels/README.md", 1)]
    [InlineData("graphs/ShadowAttn.Graphs/README.md", 1)]
    [InlineData("graphs/ShadowAttn.Attention/README.md", 1)]
    [InlineData("native/ShadowAttn.SoftHtp/README.md", 1)]
    public void ThePagesHaveTheCodeThatIsCompiled(string page, int least)
    {
        string root = Repository.RootOrSkip();
        string compiled = string.Concat(Directory.EnumerateFiles(Path.Combine(root, "tests/ShadowAttn.Tests/Samples"), "*Samples.cs").Order().Select(f => Normal(File.ReadAllText(f))));
        string[] blocks =
        [
            .. Regex.Matches(File.ReadAllText(Path.Combine(root, page)), "```csharp\n(.*?)```", RegexOptions.Singleline).Select(m => m.Groups[1].Value),
        ];
        Assert.InRange(blocks.Length, least, int.MaxValue);
        Assert.All(blocks, block => Assert.Contains(Normal(block), compiled, StringComparison.Ordinal));
    }

    [Fact]
    public void TheCodeRuns()
    {
        using var data = new AttentionCase(12, 2, 8, 300, 128, seed: 1);
        using var attention = new ShadowAttention(null, data.Options with { Threads = 1 });
        using (var longer = new AttentionCase(12, 2, 1, 4100, 128, seed: 2))
        {
            long kept = CSharpSamples.PrefillAndDecode(attention, longer.Q, longer.K, longer.V, longer.O);
            Assert.Equal(12 * 820, kept);
        }

        Assert.Equal(8192, CSharpSamples.Calibrated(attention, data.K));
        using KvCache cache = attention.CreateCache(300);
        cache.Append(data.K, data.V);
        ConcurrentQueue<int> next = [];
        using var cancellation = new CancellationTokenSource();
        CSharpSamples.Controlled(attention, cache, data.Q.Slice(1, 0, 1), data.O.Slice(1, 0, 1), next, cancellation);
        Assert.Equal(Enumerable.Range(0, 12), next.Order());
        CSharpSamples.ManyLayers(layer => layer.Compute(data.Q, data.K, data.V, data.O));
        CSharpSamples.Masked().Validate();

        // Where there is no NPU, there is a message that says so.
        Assert.True(Record.Exception(() => CSharpSamples.WholeTensors(data.Q, data.K, data.V, data.O)) is null or QnnException);
    }

    private static string Normal(string code) => string.Join('\n', code.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0));
}
