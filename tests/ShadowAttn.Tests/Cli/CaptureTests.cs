using ShadowAttn.Cli;
using ShadowAttn.Cli.Input;
using ShadowAttn.Memory;
using ShadowAttn.Tests.Model;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class CaptureTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(14)]
    public void A_captured_layer_is_the_given_trace(int layer)
    {
        string model = TestModel.Path, text = TestModel.Text("gpl3");
        string trace = Path.Combine(Path.GetDirectoryName(text)!, "..", "medium", $"gpl3_L{layer:D2}.safetensors");
        Assert.SkipUnless(File.Exists(trace), $"{trace} is not there");
        using var folder = new TemporaryFolder();
        string output = folder.File("traces");
        CommandRun run = CommandRun.Of("capture", "--model", model, "--text", text, "--tokens", "1024", "--layers", $"{layer}", "--output", output);
        Assert.True(run.ExitCode == EntryPoint.Success, run.Error);
        string path = Path.Combine(output, $"gpl3_L{layer:D2}.safetensors");
        Assert.Equal(path, run.Output.Trim());
        using TraceInput expected = TraceInput.Open(trace);
        using TraceInput actual = TraceInput.Open(path);
        Assert.Equal((expected.Causal, expected.Scale, $"{layer}"), (actual.Causal, actual.Scale, actual.Metadata["layer"]));
        AssertClose(expected.Q, actual.Q);
        AssertClose(expected.K, actual.K);
        AssertClose(expected.V, actual.V);
    }

    [Fact]
    public void What_is_wrong_is_said_in_one_line()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", "some text of a few words"u8), file = folder.Write("file", "no folder"u8);
        CommandRun.Of("capture", "--model", "m", "--text", text, "--output", "o").AssertBadInput("--layers");
        CommandRun.Of("capture", "--model", TestModel.Path, "--text", text, "--layers", "3,30", "--output", folder.File("o")).AssertBadInput("--layers", "0 to 29", "30");
        CommandRun.Of("capture", "--model", TestModel.Path, "--text", text, "--layers", "3", "--output", file).AssertBadInput("--output", file);
        CommandRun.Of("capture", "--model", TestModel.Path, "--text", text, "--layers", "3", "--tokens", "99", "--output", folder.File("o")).AssertBadInput("--tokens", "text.txt");
    }

    /// <summary>The given traces are fp16: half a step of 2^-11 of each number, and the difference of two fp32 forward passes.</summary>
    private static void AssertClose(TensorView<float> expected, TensorView<float> actual)
    {
        ReadOnlySpan<float> a = expected.AsSpan(), b = actual.AsSpan();
        Assert.Equal(a.Length, b.Length);
        float largest = 0;
        foreach (float x in a)
        {
            largest = MathF.Max(largest, MathF.Abs(x));
        }

        double worst = 0;
        for (int i = 0; i < a.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(a[i] - b[i]) - (Math.Abs(a[i]) / 2048.0));
        }

        Assert.InRange(worst, double.NegativeInfinity, 2e-4 * largest);
    }
}
