using System.Globalization;
using System.Text.Json;
using ShadowAttn.Attention;
using ShadowAttn.Cli.Input;
using ShadowAttn.Interop;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>
/// The reference's figures on real traces: kept keys exactly (by mass within 1 %), the error within 2 % of its value, mass and recall within
/// 0.0005. The small trace is bundled; the others come from the folder in SHADOWATTN_TEST_TRACES.
/// </summary>
[Collection("HTP simulator")]
public sealed class TraceFiguresTests(HtpSimulator simulator)
{
    public const string FolderVariable = "SHADOWATTN_TEST_TRACES";

    private static readonly JsonElement s_expected = JsonDocument.Parse(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Attention", "ReferenceFigures.json"))).RootElement;

    public static TheoryData<string, string, AttentionMode> SmallCases => Cases(["small.safetensors"], [AttentionMode.Shadow, AttentionMode.ShadowCpu]);

    public static TheoryData<string, string, AttentionMode> MediumCases =>
        Cases(s_expected.EnumerateObject().Select(p => p.Name).Where(n => n != "small.safetensors"), [AttentionMode.Shadow]);

    [Theory]
    [MemberData(nameof(SmallCases))]
    public void TheBundledTrace(string trace, string setting, AttentionMode mode) =>
        Check(Path.Combine(AppContext.BaseDirectory, "data", trace), trace, setting, mode, null);

    [Theory]
    [MemberData(nameof(MediumCases))]
    public void TheMediumTraces(string trace, string setting, AttentionMode mode) => Check(Medium(trace), trace, setting, mode, null);

    [Theory]
    [InlineData("small.safetensors")]
    [InlineData("gpl3_L00.safetensors")]
    [InlineData("gpl3_L14.safetensors")]
    public void OnTheHtpSimulator(string trace)
    {
        HtpSimulator.SkipUnlessThere();
        string path = trace == "small.safetensors" ? Path.Combine(AppContext.BaseDirectory, "data", trace) : Medium(trace);
        Check(path, trace, "keep 0.2, min-keys 64, tail mean", AttentionMode.Shadow, simulator.Backend);
    }

    private static TheoryData<string, string, AttentionMode> Cases(IEnumerable<string> traces, AttentionMode[] modes)
    {
        TheoryData<string, string, AttentionMode> cases = [];
        foreach (string trace in traces)
        {
            foreach (JsonProperty setting in s_expected.GetProperty(trace).EnumerateObject())
            {
                if (TryParse(setting.Name, out _, out _, out _))
                {
                    foreach (AttentionMode mode in modes)
                    {
                        cases.Add(trace, setting.Name, mode);
                    }
                }
            }
        }

        return cases;
    }

    private static string Medium(string trace)
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the medium traces take minutes under emulation");
        string? folder = Environment.GetEnvironmentVariable(FolderVariable);
        Assert.SkipWhen(string.IsNullOrEmpty(folder), $"{FolderVariable} does not name a folder with the medium traces");
        string path = Path.Combine(folder!, "medium", trace);
        Assert.True(File.Exists(path), $"{path} is not there");
        return path;
    }

    private static void Check(string path, string trace, string setting, AttentionMode mode, QnnBackend? backend)
    {
        Assert.True(TryParse(setting, out KeepRatio keep, out int minKeys, out TailCompensation tail), setting);
        JsonElement expected = s_expected.GetProperty(trace).GetProperty(setting);
        using TraceInput input = TraceInput.Open(path);
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 2 });
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend builtIn = QnnBackend.Open(library);
        var options = new AttentionOptions
        {
            Heads = input.Heads,
            KvHeads = input.KvHeads,
            HeadDim = input.HeadDim,
            Causal = input.Causal,
            Scale = input.Scale,
            Mode = mode,
            Keep = keep,
            MinKeys = minKeys,
            Tail = tail,
            Crossover = false,
            Threads = 2,
        };
        using UnmanagedBuffer output = UnmanagedBuffer.Allocate((long)input.Heads * input.QueryCount * input.HeadDim * sizeof(float));
        TensorView<float> o = output.View<float>(input.Heads, input.QueryCount, input.HeadDim);
        using var kept = new KeptKeys(input.Heads, input.QueryCount, input.KeyCount);
        using var attention = new ShadowAttention(backend ?? builtIn, options);
        AttentionReport report = attention.Compute(input.Q, input.K, input.V, o, kept);
        AttentionAccuracy accuracy = ExactAttention.Compare(options, input.Q, input.K, input.V, o, kept);

        Assert.Equal(expected.GetProperty("visible_keys").GetInt64(), report.VisibleKeys);
        long keptKeys = expected.GetProperty("kept_keys").GetInt64();
        Assert.InRange(report.KeptKeys, keep.IsMass ? (long)(keptKeys * 0.99) : keptKeys, keep.IsMass ? (long)(keptKeys * 1.01) : keptKeys);
        double error = expected.GetProperty("rel_l2_error").GetDouble();
        Assert.InRange(accuracy.RelL2Error, error * 0.98, error * 1.02);
        Near("captured_mass", accuracy.CapturedMass);
        Near("captured_mass_worst_head", accuracy.CapturedMassWorstHead);
        Near("recall", accuracy.Recall);
        Assert.Equal(expected.GetProperty("rescored_rows").GetInt64(), report.RescoredRows);

        void Near(string name, double actual) => Assert.InRange(actual, Expected(name) - 0.0005, Expected(name) + 0.0005);
        double Expected(string name) => expected.GetProperty(name).GetDouble();
    }

    /// <summary>From "keep 0.2, min-keys 64, tail mean"; false for what the operator does not have yet.</summary>
    private static bool TryParse(string setting, out KeepRatio keep, out int minKeys, out TailCompensation tail)
    {
        string[] parts = setting.Split(", ");
        minKeys = int.Parse(parts[1]["min-keys ".Length..], CultureInfo.InvariantCulture);
        bool ok = KeepRatio.TryParse(parts[0]["keep ".Length..], out keep);
        return Enum.TryParse(parts[2]["tail ".Length..], ignoreCase: true, out tail) && ok;
    }
}
