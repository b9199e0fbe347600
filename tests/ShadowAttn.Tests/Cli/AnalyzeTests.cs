using System.Text.Json;
using System.Xml.Linq;
using SkiaSharp;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class AnalyzeTests : IDisposable
{
    private static readonly string s_small = Path.Combine(AppContext.BaseDirectory, "data", "small.safetensors");
    private readonly string folder = Directory.CreateTempSubdirectory("analyze").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void ARealLayerIsAsSparseAsItIs()
    {
        CommandRun run = CommandRun.Of("analyze", "--input", s_small, "--json", "--threads", "2");
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Output).RootElement;
        JsonElement trace = Assert.Single(report.GetProperty("traces").EnumerateArray());
        Assert.Equal((14, 481, true), (trace.GetProperty("layer").GetInt32(), trace.GetProperty("rows").GetInt32(), trace.GetProperty("causal").GetBoolean()));
        JsonElement[] heads = [.. trace.GetProperty("per_head").EnumerateArray()];
        Assert.Equal(9, heads.Length);
        Assert.Equal(3, trace.GetProperty("per_kv_head").GetArrayLength());

        // 0.92 in the mean and 0.85 in the worst head, by another program in double precision.
        Assert.Equal(0.921, trace.GetProperty("mean").GetProperty("mass_curve")[20].GetDouble(), 3);
        Assert.Equal(0.854, heads.Min(h => h.GetProperty("mass_curve")[20].GetDouble()), 3);
        Assert.InRange(trace.GetProperty("mean").GetProperty("negligible_share").GetDouble(), 0.59, 0.61);
        foreach (JsonElement head in heads)
        {
            double[] curve = [.. head.GetProperty("mass_curve").EnumerateArray().Select(m => m.GetDouble())];
            Assert.Equal(101, curve.Length);
            Assert.Equal((0.0, 1.0), (curve[0], Math.Round(curve[100], 9)));
            Assert.All(Enumerable.Range(1, 100), step => Assert.True(curve[step] >= curve[step - 1]));
            double[] needed = [.. head.GetProperty("keys_needed").EnumerateArray().Select(n => n.GetProperty("share").GetDouble())];
            Assert.Equal(needed.Order(), needed);
        }

        Assert.Equal(JsonValueKind.Null, report.GetProperty("output").ValueKind);
    }

    [Fact]
    public void TablesHaveEveryTraceAndTheirMean()
    {
        string other = Write("other.safetensors", TraceBytes.Trace([2, 40, 4], [1, 40, 4], [1, 40, 4], "\"layer\":\"3\""));
        CommandRun run = CommandRun.Of("analyze", "--input", s_small, other);
        Assert.Equal(0, run.ExitCode);
        foreach (string part in new[] { "other, layer 3: 2 heads, 40 x 40 causal, means over 9 rows", "keys for 95 %", "channels of the keys", "all traces", "more than 80 %" })
        {
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("picture.png")]
    [InlineData("picture.SVG")]
    public void APictureIsDrawn(string name)
    {
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "this machine has no fonts");
        string path = Path.Combine(folder, name);
        CommandRun run = CommandRun.Of("analyze", "--input", s_small, s_small, "--output", path, "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(path, JsonDocument.Parse(run.Output).RootElement.GetProperty("output").GetString());
        if (name.EndsWith("png", StringComparison.Ordinal))
        {
            using SKBitmap picture = SKBitmap.Decode(path);
            Assert.Equal((1800, 620), (picture.Width, picture.Height));
            Assert.True(picture.Pixels.Distinct().Count() > 50, "lines in colours");
        }
        else
        {
            string text = string.Concat(XDocument.Load(path).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value));
            foreach (string part in new[] { "small, layer 14", "head 8", "mean of the heads", "share of the visible keys, heaviest first (%)", "92.1 % of the mass" })
            {
                Assert.Contains(part, text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void WhatIsWrongIsNamed()
    {
        CommandRun.Of("analyze").AssertBadInput("--input");
        CommandRun.Of("analyze", "--input", Path.Combine(folder, "none.safetensors")).AssertBadInput("none.safetensors");
        CommandRun.Of("analyze", "--input", s_small, "--output", Path.Combine(folder, "a.jpg")).AssertBadInput("--output", "must end in .png or .svg");
        CommandRun.Of("analyze", "--input", s_small, "--threads", "0").AssertBadInput("--threads: '0' is not a whole number");
        CommandRun.Of("analyze", "--input", Write("bad.safetensors", [1, 2, 3])).AssertBadInput("bad.safetensors");
        Assert.SkipWhen(SKFontManager.Default.FontFamilyCount == 0, "this machine has no fonts");
        CommandRun.Of("analyze", "--input", s_small, "--output", Path.Combine(folder, "none", "a.png")).AssertBadInput("cannot be written");
    }

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
