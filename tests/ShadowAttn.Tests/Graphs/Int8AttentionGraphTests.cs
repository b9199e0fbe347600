using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Attention;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Graphs;

/// <summary>Whole attention in INT8: the built-in backend and the HTP simulator, which do not know each other, on the same bytes.</summary>
[Collection("HTP simulator")]
public sealed class Int8AttentionGraphTests(HtpSimulator simulator, ITestOutputHelper output)
{
    private const int Offset = 128;

    [Theory]
    [InlineData(3, 64, 256, 64, 193, 1)]
    [InlineData(1, 32, 128, 128, 128, 0)]
    public void BothBackendsAgreeWithinAStepButForFew(int group, int queries, int keys, int dim, int firstVisible, int visibleStep)
    {
        HtpSimulator.SkipUnlessThere();
        var spec = new Int8AttentionSpec(group, queries, keys, dim, firstVisible, visibleStep, 0.004f, 0.02f, 0.1f, 0.01f, 0.008f);
        byte[] htp = Run(simulator.Backend, spec);
        using SoftHtpBackend soft = SoftHtpBackend.Create();
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        byte[] own = Run(backend, spec);
        int[] steps = new int[256];
        for (int i = 0; i < htp.Length; i++)
        {
            steps[Math.Abs(htp[i] - own[i])]++;
        }

        int most = Array.FindLastIndex(steps, count => count > 0);
        output.WriteLine($"{htp.Length} outputs: {steps[0]} equal, {steps[1]} one step apart, {steps[2]} two, {steps[3]} three, most {most}");

        // Every node is within a step of HTP's; where a logit differs, its weight differs by e^0.1, which may be more than a step of the output.
        Assert.InRange(steps[0] + steps[1], (int)(0.995 * htp.Length), htp.Length);
        Assert.InRange(most, 0, 4);
        Assert.True(own.Distinct().Count() > 20, "the outputs say too little");
    }

    private static unsafe byte[] Run(QnnBackend backend, Int8AttentionSpec spec)
    {
        using Int8AttentionGraph graph = Int8AttentionGraph.Compose(backend, spec);
        using UnmanagedBuffer q = UnmanagedBuffer.Allocate(spec.Rows * spec.Dim);
        using UnmanagedBuffer k = UnmanagedBuffer.Allocate(spec.Keys * spec.Dim);
        using UnmanagedBuffer v = UnmanagedBuffer.Allocate(spec.Keys * spec.Dim);
        using UnmanagedBuffer o = UnmanagedBuffer.Allocate(spec.Rows * spec.Dim);
        var random = new Random(spec.Dim);
        Fill(q, random, Offset);
        Fill(k, random, 0);
        Fill(v, random, 0);
        graph.Execute(q.Pointer, (sbyte*)k.Pointer, (sbyte*)v.Pointer, o.Pointer);
        return o.AsSpan<byte>().ToArray();
    }

    /// <summary>Normal values as calibration leaves them: the largest at about 127, four standard deviations out.</summary>
    private static void Fill(UnmanagedBuffer buffer, Random random, int offset)
    {
        foreach (ref byte x in buffer.AsSpan<byte>())
        {
            x = (byte)(Math.Clamp((int)Math.Round(AttentionCase.Normal(random) * 32), -127, 127) + offset);
        }
    }
}
