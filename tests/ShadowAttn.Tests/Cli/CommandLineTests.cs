using ShadowAttn.Cli.Run;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("Required command was not provided")]
    [InlineData("Required command was not provided", "--verbose")]
    [InlineData("there is no command or option 'frob'", "frob")]
    [InlineData("there is no command or option '--input'", "--input", "x")]
    [InlineData("run has no option or argument '--kep'", "run", "--kep", "0.2")]
    [InlineData("run has no option or argument 'x'", "run", "x")]
    [InlineData("run has no option or argument 'maybe'", "run", "--json=maybe")]
    [InlineData("Required argument missing for option: '--keep'", "run", "--keep")]
    [InlineData("Option '--keep' expects a single argument but 2 were provided", "run", "--keep", "0.1", "--keep", "0.2")]
    [InlineData("--keep: '0' is not a share above 0 and up to 1", "run", "--keep", "0")]
    [InlineData("--keep: '-0.5' is not", "run", "--keep", "-0.5")]
    [InlineData("--keep: '1.0001' is not", "run", "--keep", "1.0001")]
    [InlineData("--keep: 'NaN' is not", "run", "--keep", "NaN")]
    [InlineData("--keep: '0,2' is not", "run", "--keep", "0,2")]
    [InlineData("--keep: '' is not", "run", "--keep", "")]
    [InlineData("--keep: 'mass:' is not", "run", "--keep", "mass:")]
    [InlineData("--keep: 'mass:0' is not", "run", "--keep", "mass:0")]
    [InlineData("--keep: 'mass:1.5' is not", "run", "--keep", "mass:1.5")]
    [InlineData("--keep: 'share:0.5' is not", "run", "--keep", "share:0.5")]
    [InlineData("--mode: unknown value 'Shadow'; choose shadow, shadow-cpu, dense, npu-int8, sparse-cpu or block-sparse", "run", "--mode", "Shadow")]
    [InlineData("--mode: unknown value ''", "run", "--mode", "")]
    [InlineData("--sliding-window: '0' is not a whole number from 1", "run", "--sliding-window", "0")]
    [InlineData("--sinks: '-1' is not a whole number from 0", "run", "--sinks", "-1")]
    [InlineData("compare has no option or argument '--mode'", "compare", "--mode", "dense")]
    [InlineData("--tail: unknown value 'x'; choose linear, mean or none", "run", "--tail", "x")]
    [InlineData("--kv: unknown value 'fp16'; choose f32, f16, bf16 or q16", "run", "--kv", "fp16")]
    [InlineData("--buckets: unknown value 'x'; choose universal or paper", "run", "--buckets", "x")]
    [InlineData("--min-keys: '0' is not a whole number from 1 to 2147483647", "run", "--min-keys", "0")]
    [InlineData("--min-keys: '2147483648' is not", "run", "--min-keys", "2147483648")]
    [InlineData("--threads: '0' is not a whole number from 1 to 256", "run", "--threads", "0")]
    [InlineData("--threads: 'many' is not", "run", "--threads", "many")]
    [InlineData("--repeat: '0' is not a whole number from 1", "run", "--repeat", "0")]
    [InlineData("--repeat: '1.5' is not", "run", "--repeat", "1.5")]
    [InlineData("--backend: is empty", "run", "--backend", "")]
    [InlineData("--mode: unknown value 'a\\u000ab'", "run", "--mode", "a\nb")]
    [InlineData("doctor has no option or argument '--keep'", "doctor", "--keep", "1")]
    public void Bad_usage_is_one_line(string reason, params string[] arguments) => CommandRun.Of(arguments).AssertBadInput(reason, "--help");

    [Fact]
    public void Options_that_exclude_each_other_are_refused()
        => CommandRun.Of("run", "--keep", "mass:0.8", "--buckets", "paper").AssertBadInput("mass:P needs --buckets universal");

    [Fact]
    public void Whole_attention_in_int8_takes_only_fp32()
        => CommandRun.Of("run", "--mode", "npu-int8", "--kv", "q16").AssertBadInput("--kv: --mode npu-int8");

    [Fact]
    public void Help_lists_every_option_with_its_default()
    {
        CommandRun run = CommandRun.Of("run", "--help");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        foreach (string part in new[]
        {
            "--input", "--mode", "[default: shadow]", "--keep", "[default: 0.2]", "--min-keys", "[default: 64]", "--tail", "[default: linear]", "--threads",
            "--backend", "[default: SHADOWATTN_QNN_BACKEND, else soft]", "--buckets", "[default: universal]", "--output", "--repeat", "--json", "--verbose",
        })
        {
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }

        Assert.Equal(0, CommandRun.Of("--help").ExitCode);
        Assert.Equal(0, CommandRun.Of("--version").ExitCode);
    }

    [Fact]
    public void Bad_files_are_one_line_that_names_them()
    {
        CommandRun.Of("run", "--input", _folder.File("none")).AssertBadInput(_folder.File("none"), "there is no such file");
        CommandRun.Of("run", "--input", _folder.Path).AssertBadInput(_folder.Path, "is a folder");
        CommandRun.Of("run", "--input", "@none").AssertBadInput("@none", "there is no such file");
        string path = _folder.Write("truncated", File.ReadAllBytes(RunOptions.BundledInput).AsSpan(0, 500_000));
        CommandRun.Of("run", "--input", path).AssertBadInput(path, "'q' ends at byte 589824 of the data", "truncated");
        path = _folder.Write("text", "This is no safetensors file."u8);
        CommandRun.Of("run", "--input", path).AssertBadInput(path, "no safetensors file");
        path = _folder.Write("nan", TraceBytes.Trace([2, 3, 8], [1, 5, 8], [1, 5, 8], "", d => d[9] = float.NaN));
        CommandRun.Of("run", "--input", path, "--verbose").AssertBadInput(path, "q[0, 1, 1] is NaN");
        path = _folder.Write("heads", TraceBytes.Trace([4, 3, 8], [3, 5, 8], [3, 5, 8]));
        CommandRun.Of("run", "--input", path, "--json").AssertBadInput(path, "no multiple of the 3 KV heads");
    }

    [Fact]
    public void Bad_input_leaves_no_output_file()
    {
        string bad = _folder.Write("bad", TraceBytes.Trace([4, 6, 8], [2, 5, 8], [2, 5, 8]));
        string old = _folder.Write("old", [1, 2, 3]);
        CommandRun.Of("run", "--input", bad, "--output", _folder.File("new")).AssertBadInput("more than the 5 keys");
        CommandRun.Of("run", "--input", bad, "--output", old).AssertBadInput("more than the 5 keys");
        Assert.Equal([1, 2, 3], File.ReadAllBytes(old));
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    [Fact]
    public void Output_that_cannot_be_written_is_refused_before_anything_is_computed()
    {
        CommandRun.Of("run", "--output", _folder.Path).AssertBadInput(_folder.Path, "is a folder");
        CommandRun.Of("run", "--output", _folder.File("no/folder")).AssertBadInput("there is no folder");
        CommandRun.Of("run", "--output", "").AssertBadInput("is no name of an output file");
        CommandRun.Of("run", "--output", RunOptions.BundledInput).AssertBadInput("is the input; name another file");
    }

    [Fact]
    public void The_built_in_backend_can_be_named()
    {
        string trace = _folder.Write("trace", TraceBytes.Trace([2, 8, 16], [1, 8, 16], [1, 8, 16]));
        CommandRun run = CommandRun.Of("run", "--input", trace, "--backend", "soft", "--cache", "off", "--repeat", "1", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("\"name\": \"SoftHtp\"", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Backends_that_are_none_are_refused()
    {
        CommandRun.Of("run", "--backend", _folder.File("none.so")).AssertBadInput("none.so", "does not exist");
        CommandRun.Of("run", "--backend", _folder.Path).AssertBadInput("is a folder");
        CommandRun.Of("run", "--backend", _folder.Write("text.so", "no library"u8)).AssertBadInput("text.so", "could not be loaded as a library");
        string[] runtime = Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libclrjit.so");
        Assert.SkipUnless(runtime.Length == 1, "needs a shared library that is no QNN library: the runtime's own libclrjit.so");
        CommandRun.Of("run", "--backend", runtime[0]).AssertBadInput("is a library, but not a QNN one");
    }
}
