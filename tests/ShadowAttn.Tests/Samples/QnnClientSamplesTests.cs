using ShadowAttn.Tests.Packages;
using Xunit;

namespace ShadowAttn.Tests.Samples;

/// <summary>The client of docs/qnn-client-in-csharp.md, and the sample of the package's README.md, with a backend in a file.</summary>
[Collection(ProcessStateCollection.Name)]
public sealed class QnnClientSamplesTests
{
    [Fact]
    public void TheClientComposesMeasuresKeepsAndSaysWhatFailed()
    {
        string backend = BackendInAFile.PathOrSkip();
        var output = new StringWriter();
        QnnClientSamples.Client([backend], output);
        Assert.Contains("3 · 5 · 64 / 64 = 15", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("finalize", output.ToString(), StringComparison.Ordinal);
        Assert.Contains(" bytes hold 2 graphs", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("contextCreateFromBinary: ", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void TheProductIsThatOfItsInputs()
    {
        sbyte[] left = new sbyte[2 * 64], right = new sbyte[32 * 64], product = new sbyte[2 * 32];
        Array.Fill(left, (sbyte)-2);
        Array.Fill(right, (sbyte)7);
        PackageSamples.Interop(BackendInAFile.PathOrSkip(), left, right, product);
        Assert.All(product, p => Assert.Equal(-14, p));
    }
}
