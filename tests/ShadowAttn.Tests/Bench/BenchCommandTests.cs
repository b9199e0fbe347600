using System.Reflection;
using System.Text.Json;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Peaks;
using ShadowAttn.Kernels;
using ShadowAttn.Tests.Cli;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class BenchCommandTests
{
    /// <summary>Shapes that are measured in no time, by operator.</summary>
    private static readonly Dictionary<string, string> Tiny = new(StringComparer.Ordinal)
    {
        ["attention"] = "4/2x16,8x24,causal",
        ["attention-cached"] = "4/2x16,2x24,causal",
        ["channel-stats"] = "rows=3,dim=20",
        ["dense"] = "rows=3,keys=9,dim=20",
        ["exp"] = "count=20",
        ["gather"] = "keys=40,dim=20,pairs=2",
        ["half-convert"] = "count=20",
        ["peak"] = "kib=2",
        ["product"] = "rows=3,dim=20",
        ["quantize"] = "rows=3,dim=20",
        ["scores"] = "rows=3,keys=9,dim=20",
        ["select"] = "keys=70,rows=3",
        ["tail-mass"] = "keys=70",
        ["tail-moments"] = "keys=70",
    };

    public static IEnumerable<TheoryDataRow<string>> Operators => BenchRegistry.Default.Operators.Select(op => new TheoryDataRow<string>(op.Name));

    [Fact]
    public void The_list_has_every_kernel_table_with_its_variants()
    {
        CommandRun run = CommandRun.Of("bench", "--list", "--json");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Dictionary<string, string?[]> listed = json.RootElement.GetProperty("operators").EnumerateArray().ToDictionary(
            op => op.GetProperty("name").GetString()!,
            op => op.GetProperty("variants").EnumerateArray().Select(v => v.GetString()).ToArray());
        object[] tables = [.. KernelTables()];
        Assert.NotEmpty(tables);
        foreach (object table in tables)
        {
            var variants = (System.Collections.IEnumerable)table.GetType().GetProperty("Supported")!.GetValue(table)!;
            IEnumerable<string> names = variants.Cast<object>()
                .Select(v => InstructionSets.Name((InstructionSet)v.GetType().GetProperty("InstructionSet")!.GetValue(v)!));
            Assert.Equal(names, listed[NameOf(table)]);
        }
    }

    [Fact]
    public void The_list_for_people_names_every_function()
    {
        CommandRun run = CommandRun.Of("bench", "--list");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        foreach (OperatorBench op in BenchRegistry.Default.Operators)
        {
            Assert.All(op.Functions, function => Assert.Contains($" {op.Name}.{function.Name} ", run.Output, StringComparison.Ordinal));
            Assert.Contains(op.Syntax.Text, run.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Operators))]
    public void Every_function_runs_with_every_variant_threads_and_format(string name)
    {
        OperatorBench op = BenchRegistry.Default.Find(name)!;
        foreach (BenchFunction function in op.Functions)
        {
            List<string> arguments =
            [
                "bench", "--op", $"{name}.{function.Name}", "--isa", "all", "--shape", Tiny[name], "--threads", "1,2", "--iterations", "2", "--json",
            ];
            int formats = 1;
            if (function.Knobs.HasFlag(BenchKnobs.Kv))
            {
                arguments.AddRange(["--kv", string.Join(",", op.KvFormats.Select(ShadowAttn.Cli.Run.OptionNames.Name))]);
                formats = op.KvFormats.Count;
            }

            CommandRun run = CommandRun.Of([.. arguments]);

            Assert.True(run.ExitCode == 0, run.Error);
            using JsonDocument json = JsonDocument.Parse(run.Output);
            JsonElement results = json.RootElement.GetProperty("results");
            Assert.Equal(op.Variants.Count * 2 * formats, results.GetArrayLength());
            Assert.All(results.EnumerateArray(), r => Assert.Equal(2, r.GetProperty("calls").GetInt64()));
            Assert.Equal(results.GetArrayLength(), results.EnumerateArray().Select(r => r.GetProperty("id").GetString()).Distinct().Count());
            Assert.Equal(0, json.RootElement.GetProperty("machine").GetProperty("peaks").GetArrayLength());
        }
    }

    [Fact]
    public void Json_has_machine_peaks_and_figures()
    {
        const int rows = 3;
        const int keys = 70;
        const int dim = 32;
        CommandRun run = CommandRun.Of(
            "bench", "--op", "dense,scores.scores", "--shape", $"rows={rows},keys={keys},dim={dim}", "--isa", "scalar", "--time", "0.001", "--threads", "2", "--json");

        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement machine = json.RootElement.GetProperty("machine");
        Assert.Equal(InstructionSets.Name(InstructionSets.Active), machine.GetProperty("isa").GetString());
        Assert.InRange(machine.GetProperty("caches").GetProperty("l1_bytes").GetInt64(), 1, long.MaxValue);
        JsonElement[] peaks = [.. machine.GetProperty("peaks").EnumerateArray()];
        Assert.Contains(peaks, p => p.GetProperty("name").GetString() == "fma" && p.GetProperty("gmacs").GetDouble() > 0);
        Assert.Contains(peaks, p => p.GetProperty("name").GetString() == "int8" && p.GetProperty("gmacs").GetDouble() > 0);
        foreach (string level in (string[])["L1", "L2", "DRAM"])
        {
            Assert.Contains(peaks, p => p.TryGetProperty("level", out JsonElement l) && l.GetString() == level && p.GetProperty("gbs").GetDouble() > 0);
        }

        foreach (JsonElement result in json.RootElement.GetProperty("results").EnumerateArray())
        {
            Assert.Equal(("scalar", 2), (result.GetProperty("isa").GetString(), result.GetProperty("threads").GetInt32()));
            double min = result.GetProperty("min_ns").GetDouble();
            double median = result.GetProperty("median_ns").GetDouble();
            Assert.InRange(min, double.Epsilon, median);
            Assert.InRange(median, min, result.GetProperty("max_ns").GetDouble());
            Assert.Equal((median - min) / min, result.GetProperty("spread").GetDouble(), 1e-9);
            Assert.InRange(result.GetProperty("samples").GetInt32(), 3, int.MaxValue);
            Assert.InRange(result.GetProperty("peak_share").GetDouble(), double.Epsilon, double.MaxValue);
            Assert.NotEmpty(result.GetProperty("peak").GetString()!);
            double work = result.GetProperty("function").GetString() switch
            {
                "attend" => result.GetProperty("gflops").GetDouble() * min / (2 * 2 * 2.0 * rows * keys * dim),
                "pack-keys" => result.GetProperty("ns_per_element").GetDouble() * keys * dim / min,
                _ => result.GetProperty("gmacs").GetDouble() * min / (2.0 * rows * keys * dim),
            };
            Assert.Equal(1, work, 1e-6);
        }
    }

    [Theory]
    [InlineData("--op nothing", "--op", "'nothing'", "bench --list")]
    [InlineData("--op exp --isa sse9", "--isa", "sse9", "scalar")]
    [InlineData("--op exp --shape keys=3", "--shape", "'keys=3'", "count=N")]
    [InlineData("--op exp --shape count=0", "--shape", "'count=0'", "from 1 to")]
    [InlineData("--op exp --shape count=x", "--shape", "'count=x'")]
    [InlineData("--op attention --shape count=3", "--shape", "12/2x128,4096x4096,causal")]
    [InlineData("--op attention --shape 12/5x64,8x8", "--shape", "not a multiple of 5 KV heads")]
    [InlineData("--op attention --shape 12/4x64,9x8", "--shape", "9 queries are more than 8 keys")]
    [InlineData("--op attention --shape 12/4x64,9x99999999999", "--shape", "whole number")]
    [InlineData("--op attention --shape 1024/4x4096,2048x2048", "--shape", "at most")]
    [InlineData("--op exp --kv f16", "--kv", "exp")]
    [InlineData("--op exp --keep 0.1", "--keep", "exp")]
    [InlineData("--op dense --tail mean", "--tail", "dense")]
    [InlineData("--op attention.dense --min-keys 3", "--min-keys", "attention")]
    [InlineData("--op exp --input generated", "--input", "exp")]
    [InlineData("--op attention --input /no/such.safetensors", "/no/such.safetensors")]
    [InlineData("--op gather --keep mass:0.9", "--keep", "share of the keys")]
    [InlineData("--op gather --keep 1.5", "--keep", "'1.5'")]
    [InlineData("--op attention --tail linear9", "--tail", "'linear9'")]
    [InlineData("--op exp --threads 0", "--threads", "'0'")]
    [InlineData("--op exp --threads ,", "--threads", "names nothing")]
    [InlineData("--op exp --iterations 0", "--iterations", "'0'")]
    [InlineData("--op exp --iterations 2 --time 1", "--time", "--iterations")]
    [InlineData("--op exp --time 0", "--time", "'0'")]
    [InlineData("--surely-not", "--surely-not")]
    public void Wrong_options_are_named(string options, params string[] parts) =>
        CommandRun.Of(["bench", .. options.Split(' ')]).AssertBadInput(parts);

    [Fact]
    public void A_variant_of_another_machine_is_refused()
    {
        string other = InstructionSets.IsSupported(InstructionSet.AdvSimd) ? "avx2" : "advsimd";

        CommandRun.Of("bench", "--op", "exp", "--isa", other).AssertBadInput("--isa", $"'{other}'", "machine cannot run");
    }

    [Theory]
    [InlineData("select", 3)]
    [InlineData("select.split", 1)]
    [InlineData("half*", 6)]
    [InlineData("*.pack*", 2)]
    [InlineData("select,select.split", 3)]
    public void Patterns_select_functions_once(string pattern, int functions)
    {
        var selection = new BenchSelection { Names = pattern.Split(','), Shapes = null };

        IReadOnlyList<BenchEntry> entries = selection.Resolve(BenchRegistry.Default);

        Assert.Equal(functions, entries.Select(e => (e.Operator.Name, e.Request.Function.Name)).Distinct().Count());
        Assert.Equal(entries.Count, entries.Select(e => (e.Operator.Name, e.Request.Function.Name, e.Request.Shape.Text)).Distinct().Count());
    }

    [Fact]
    public void Shapes_take_defaults_and_are_written_in_full()
    {
        BenchShape shape = BenchRegistry.Default.Find("dense")!.Syntax.Parse("--shape", "dim=80, keys=7");

        Assert.Equal("rows=48,keys=7,dim=80", shape.Text);
        Assert.Equal("12/2x128,1x8192,causal", new AttentionShapeSyntax().Parse("--shape", "12/2x128,1x8192").Text);
    }

    private static IEnumerable<object> KernelTables() => typeof(InstructionSets).Assembly.GetExportedTypes()
        .Select(type => type.GetProperty("Kernels", BindingFlags.Public | BindingFlags.Static)?.GetValue(null))
        .Where(table => table is not null)
        .Cast<object>()
        .Append(PeakKernels.Kernels);

    private static string NameOf(object table) => (string)table.GetType().GetProperty("Name")!.GetValue(table)!;
}
