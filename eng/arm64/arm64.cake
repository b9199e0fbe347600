// What build.cake does for arm64 without an arm64 machine: exact instruction counts under emulation, and llvm-mca's cycles for inner loops.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

const string Arm64Checked = "bench/arm64-instructions.json";
const string Arm64Trace = "bench/data/small.safetensors";
const string Arm64Sysroot = "/usr/aarch64-linux-gnu";

// Operators whose sum is a stage of the whole; "Dp" and "AdvSimd" name what computes the scores.
string[] SelectAndGather = { "select", "split", "gather" };
string[] Pilot = { "channel-mean", "absmax", "quantise-keys", "quantise-queries", "pack-keys", "scores" };
string[] DenseParts = { "dense/pack", "dense" };

sealed record Arm64Count(string Shape, string Operator, string Isa, long Instructions, long? C);

Task("bench-arm64")
    .Does(() =>
{
    DirectoryPath work = MakeAbsolute(Directory("artifacts/count-arm64"));
    FilePath program = PublishArm64Counter(work);
    FilePath plugin = work.CombineWithFilePath("count.so");
    Run("cc", new ProcessArgumentBuilder().Append("-O2 -Wall -Wextra -Werror -shared -fPIC -o").AppendQuoted(plugin.FullPath).Append("eng/arm64/count.c"));
    FilePath log = work.CombineWithFilePath("marks.txt");
    List<string> sections = Lines("qemu-aarch64", new ProcessArgumentBuilder()
        .Append("-L").Append(Arm64Sysroot).Append("-cpu max -plugin").AppendQuoted(plugin.FullPath).Append("-d plugin -D").AppendQuoted(log.FullPath)
        .AppendQuoted(program.FullPath).AppendQuoted(Arm64Trace));
    List<Arm64Count> counts = Arm64Counts(sections, System.IO.File.ReadAllLines(log.FullPath));
    FilePath output = MakeAbsolute(File(Argument("output", Arm64Checked)));
    PrintArm64Counts(counts);
    WriteArm64Counts(counts, output);
});

Task("mca-arm64")
    .Does(() =>
{
    DirectoryPath work = MakeAbsolute(Directory("artifacts/count-arm64"));
    FilePath program = PublishArm64Counter(work);
    string[] cpus = { "neoverse-v2", "neoverse-v1", "cortex-a510" };
    (string Name, string Symbol, string Instruction, bool Around)[] loops =
    {
        ("QK of a row pair, dim % 64 = 0", "GatherPairLogitsAdvSimd__Run.*MultipleOf64", "fmla", false),
        ("QK of a row pair, dim = 64, whole", "GatherPairLogitsAdvSimd__Run.*MultipleOf64", "fmla", true),
        ("QK of a row, dim % 32 = 0", "GatherRowLogitsAdvSimd__Run.*MultipleOf32", "fmla", false),
        ("PV of a row pair, 32 channels", "GatherPairValuesAdvSimd__Blocks.*Width8", "fmla", false),
        ("PV of a row, 64 channels", "GatherRowValuesAdvSimd__Blocks.*Width16", "fmla", false),
        ("dense logits", "DenseTilesAdvSimd__Logits", "fmla", false),
        ("dense values", "DenseTilesAdvSimd__Values", "fmla", false),
        ("INT8 scores, SDOT", "Int8ScoresDp__Tiles.*<Int8.*Shift6", "sdot", false),
        ("INT8 scores, SMLAL", "Int8ScoresAdvSimd__WrapTiles.*<Int8", "smlal|smull", false),
    };

    Dictionary<string, List<string>> functions = Functions(Lines("llvm-objdump-19", new ProcessArgumentBuilder()
        .Append("-d --no-show-raw-insn --demangle").AppendQuoted(program.FullPath)));
    string head = $"{"inner loop",-34}{"cpu",-14}{"instructions",12}{"products",10}{"cycles",9}{"per cycle",11}{"of peak",9}";
    Information(head);
    foreach ((string name, string symbol, string instruction, bool around) in loops)
    {
        var pattern = new Regex(symbol);
        List<string> body = functions.Where(f => pattern.IsMatch(f.Key)).Select(f => InnerLoop(f.Value, instruction, around))
            .MaxBy(loop => Products(loop, instruction));
        if (body is null || body.Count == 0)
        {
            throw new CakeException($"mca-arm64: no loop with {instruction} in a function like {symbol}; was it renamed?");
        }

        foreach (string cpu in cpus)
        {
            double cycles = Cycles(body, cpu, work);
            int products = Products(body, instruction);
            double peak = PeakPerCycle(instruction.Split('|')[0], cpu, work);
            Information(string.Create(CultureInfo.InvariantCulture,
                $"{name,-34}{cpu,-14}{body.Count,12}{products,10}{cycles,9:F1}{products / cycles,11:F2}{products / cycles / peak,9:P0}"));
        }
    }
});

void RequirePackages(params (string Tool, string Package)[] tools)
{
    string[] missing = tools.Where(t => Context.Tools.Resolve(t.Tool) is null).Select(t => t.Package)
        .Concat(FileExists(Arm64Sysroot + "/include/stdlib.h") ? [] : ["libc6-dev-arm64-cross"]).ToArray();
    if (missing.Length > 0)
    {
        throw new CakeException(3, $"install the Debian packages {string.Join(" ", missing)}");
    }
}

// A folder with the linker's tools under the names under which the ahead-of-time compiler looks for them.
DirectoryPath Arm64LinkerTools(DirectoryPath work)
{
    RequirePackages(
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"), ("clang-19", "clang-19"), ("ld.lld-19", "lld-19"), ("llvm-objcopy-19", "llvm-19"));
    DirectoryPath bin = work.Combine("bin");
    EnsureDirectoryExists(bin);
    foreach (string tool in new[] { "clang", "ld.lld", "llvm-objcopy" })
    {
        string link = bin.CombineWithFilePath(tool).FullPath;
        System.IO.File.Delete(link);
        System.IO.File.CreateSymbolicLink(link, Context.Tools.Resolve(tool + "-19").FullPath);
    }

    return bin;
}

FilePath PublishArm64Counter(DirectoryPath work)
{
    RequirePackages(("qemu-aarch64", "qemu-user"), ("cc", "gcc"));
    DirectoryPath bin = Arm64LinkerTools(work);
    FilePath library = work.CombineWithFilePath("libyardstick.a");
    var objects = new ProcessArgumentBuilder().Append("rcs").AppendQuoted(library.FullPath);
    DeleteFiles(library.FullPath);
    foreach (FilePath source in GetFiles("bench/c-yardstick/*.c").OrderBy(f => f.FullPath))
    {
        string target = work.CombineWithFilePath(source.GetFilenameWithoutExtension() + ".o").FullPath;
        Run("clang-19", new ProcessArgumentBuilder()
            .Append("--target=aarch64-linux-gnu -O3 -march=armv8.2-a+dotprod -Wall -Wextra -Werror -isystem").Append(Arm64Sysroot + "/include")
            .Append("-c -o").AppendQuoted(target).AppendQuoted(source.FullPath));
        objects.AppendQuoted(target);
    }

    Run("llvm-ar-19", objects);
    var settings = new ProcessSettings
    {
        // A tree of its own for what is built, so that no other build's files change.
        Arguments = new ProcessArgumentBuilder().Append("publish bench/ShadowAttn.InstructionCount -c Release -r linux-arm64 -v quiet --nologo")
            .Append("--artifacts-path").AppendQuoted(work.Combine("build").FullPath).Append("-o").AppendQuoted(work.Combine("publish").FullPath)
            .Append("-p:SysRoot=/").Append("-p:YardstickLibrary=" + library.FullPath),
        EnvironmentVariables = new Dictionary<string, string> { ["PATH"] = bin.FullPath + ":" + EnvironmentVariable("PATH") },
    };
    int code = StartProcess("dotnet", settings);
    return code == 0 ? work.CombineWithFilePath("publish/count-arm64")
        : throw new CakeException(code, "the counting program does not compile for linux-arm64");
}

List<string> Lines(string tool, ProcessArgumentBuilder arguments)
{
    int code = StartProcess(tool, new ProcessSettings { Arguments = arguments, RedirectStandardOutput = true }, out IEnumerable<string> lines);
    List<string> all = lines.ToList();
    return code == 0 ? all : throw new CakeException(code, $"{tool}: exit code {code}");
}

// Pairs of marks belong to the program's lines in order; heads of a shape are summed up; what a pair of marks costs by itself is subtracted.
List<Arm64Count> Arm64Counts(List<string> sections, string[] log)
{
    const string CPrefix = "C ";
    long[] marks = log.Select(line => line.Split(' ')).Where(p => p.Length == 2).Select(p => long.Parse(p[1], CultureInfo.InvariantCulture)).ToArray();
    if (marks.Length != 2 * sections.Count)
    {
        throw new CakeException($"bench-arm64: {marks.Length} marks for {sections.Count} counts");
    }

    long overhead = marks[3] - marks[2];
    var sums = new List<((string Shape, string Operator, string Isa) Key, long Sum)>();
    for (int i = 0; i < sections.Count; i++)
    {
        string[] p = sections[i].Split('\t');
        long count = (marks[(2 * i) + 1] - marks[2 * i] - overhead) * long.Parse(p[3], CultureInfo.InvariantCulture);
        var key = (p[1], p[0], p[2]);
        int at = sums.FindIndex(s => s.Key == key);
        if (at < 0)
        {
            sums.Add((key, count));
        }
        else
        {
            sums[at] = (key, sums[at].Sum + count);
        }
    }

    return sums.Where(s => s.Key.Shape.Length > 0 && !s.Key.Isa.StartsWith(CPrefix)).Select(s =>
    {
        int c = sums.FindIndex(o => o.Key == (s.Key.Shape, s.Key.Operator, CPrefix + s.Key.Isa));
        return new Arm64Count(s.Key.Shape, s.Key.Operator, s.Key.Isa, s.Sum, c < 0 ? null : sums[c].Sum);
    }).ToList();
}

IEnumerable<(string Shape, string Stage, long Instructions)> Arm64Stages(List<Arm64Count> counts)
{
    long Sum(string shape, string isa, string[] operators) => counts.Where(
        c => c.Shape == shape && operators.Contains(c.Operator) && (c.Isa == isa || !counts.Any(o => o.Shape == shape && o.Operator == c.Operator && o.Isa == isa)))
        .Sum(c => c.Instructions);
    foreach (string shape in counts.Where(c => c.Operator == "dense").Select(c => c.Shape))
    {
        long sparse = Sum(shape, "AdvSimd", SelectAndGather);
        yield return (shape, "select + gather", sparse);
        yield return (shape, "the same with the Dp pilot", sparse + Sum(shape, "Dp", Pilot));
        yield return (shape, "the same with the AdvSimd pilot", sparse + Sum(shape, "AdvSimd", Pilot));
        yield return (shape, "dense", Sum(shape, "AdvSimd", DenseParts));
    }
}

void PrintArm64Counts(List<Arm64Count> counts)
{
    JsonArray old = FileExists(Arm64Checked) ? JsonNode.Parse(System.IO.File.ReadAllText(Arm64Checked))["counts"].AsArray() : new JsonArray();
    Information("millions of instructions per call; A: 14/2 heads, dim 64; B: 12/2 heads, dim 128; 512 x 512 causal, keep 0.2");
    string head = $"{"shape",-7}{"operator",-18}{"isa",-9}{"C#",9}{"C",9}{"C# / C",8}{"checked in",12}{"change",9}";
    Information(head);
    foreach (Arm64Count c in counts)
    {
        long? before = old.Where(n => (string)n["shape"] == c.Shape && (string)n["operator"] == c.Operator && (string)n["isa"] == c.Isa)
            .Select(n => (long?)n["instructions"]).FirstOrDefault();
        Information(string.Create(CultureInfo.InvariantCulture,
            $"{c.Shape,-7}{c.Operator,-18}{c.Isa,-9}{c.Instructions / 1e6,9:F3}{c.C / 1e6,9:F3}{(double)c.Instructions / c.C,8:F3}{before / 1e6,12:F3}{((double)c.Instructions / before) - 1,9:+0.0%;-0.0%;0}"));
    }

    foreach ((string shape, string stage, long instructions) in Arm64Stages(counts))
    {
        Information(string.Create(CultureInfo.InvariantCulture, $"{shape,-7}{stage,-40}{instructions / 1e6,9:F3}"));
    }
}

void WriteArm64Counts(List<Arm64Count> counts, FilePath output)
{
    string Json(object value) => JsonSerializer.Serialize(value);
    string clang = Regex.Match(Lines("clang-19", new ProcessArgumentBuilder().Append("--version"))[0], @"\d+\.\d+\.\d+").Value;
    string framework = Regex.Match(string.Join(" ", Lines("dotnet", new ProcessArgumentBuilder().Append("--version"))), @"\d+\.\d+\.\d+").Value;
    var lines = new List<string>
    {
        "{",
        $"  \"trace\": {Json(Arm64Trace)},",
        "  \"shapes\": { \"A\": \"14/2 heads, dim 64\", \"B\": \"12/2 heads, dim 128\" },",
        "  \"conditions\": \"512 x 512 causal, keep 0.2, no floor, no tail; instructions per call of the whole layer\",",
        $"  \"compilers\": {{ \"dotnet\": {Json(framework)}, \"clang\": {Json(clang)} }},",
        "  \"counts\": [",
    };
    lines.AddRange(counts.Select((c, i) =>
        $"    {{ \"shape\": {Json(c.Shape)}, \"operator\": {Json(c.Operator)}, \"isa\": {Json(c.Isa)}, \"instructions\": {Json(c.Instructions)}, \"c\": {Json(c.C)} }}"
        + (i + 1 < counts.Count ? "," : "")));
    lines.Add("  ],");
    lines.Add("  \"stages\": [");
    var stages = Arm64Stages(counts).ToList();
    lines.AddRange(stages.Select((s, i) =>
        $"    {{ \"shape\": {Json(s.Shape)}, \"stage\": {Json(s.Stage)}, \"instructions\": {Json(s.Instructions)} }}" + (i + 1 < stages.Count ? "," : "")));
    lines.Add("  ]");
    lines.Add("}");
    EnsureDirectoryExists(output.GetDirectory());
    System.IO.File.WriteAllText(output.FullPath, string.Join("\n", lines) + "\n");
    Information("written: " + output.FullPath);
}

// "address <name>:" begins a function in objdump's output, "  address:  instruction" are its lines.
Dictionary<string, List<string>> Functions(List<string> disassembly)
{
    var functions = new Dictionary<string, List<string>>();
    List<string> current = null;
    foreach (string line in disassembly)
    {
        Match head = Regex.Match(line, @"^[0-9a-f]+ <(.+)>:$");
        if (head.Success)
        {
            current = null;
            if (head.Groups[1].Value.Contains("AdvSimd") || head.Groups[1].Value.Contains("Dp"))
            {
                functions[head.Groups[1].Value] = current = new List<string>();
            }
        }
        else if (current is not null && line.Length > 0)
        {
            current.Add(line);
        }
    }

    return functions;
}

// The loop, from the target of a backward branch to that branch, with the most products of those that have no other loop inside; or the loop
// right around it, as if the inner one ran once.
List<string> InnerLoop(List<string> function, string instruction, bool around)
{
    (long Address, string Text)[] code = function.Select(line => Regex.Match(line, @"^\s*([0-9a-f]+):\s+(.*)$")).Where(m => m.Success)
        .Select(m => (Convert.ToInt64(m.Groups[1].Value, 16), m.Groups[2].Value.Split("//")[0].Trim())).ToArray();
    List<string> Body((long From, long To) loop) => code.Where(c => c.Address >= loop.From && c.Address <= loop.To).Select(c => c.Text).ToList();
    var loops = new List<(long From, long To)>();
    foreach ((long address, string text) in code)
    {
        Match branch = Regex.Match(text, @"^(?:b(?:\.\w+)?|cbn?z|tbn?z)\s.*?0x([0-9a-f]+)");
        if (branch.Success && Convert.ToInt64(branch.Groups[1].Value, 16) is long target && target <= address && target >= code[0].Address)
        {
            loops.Add((target, address));
        }
    }

    (long From, long To)[] inner = loops.Where(l => !loops.Any(o => o != l && o.From >= l.From && o.To <= l.To)).ToArray();
    if (inner.Length == 0)
    {
        return new List<string>();
    }

    (long From, long To) best = inner.MaxBy(l => Products(Body(l), instruction));
    if (around)
    {
        best = loops.Where(l => l != best && l.From <= best.From && l.To >= best.To).DefaultIfEmpty(best).MinBy(l => l.To - l.From);
    }

    return Body(best);
}

int Products(List<string> body, string instruction) => body.Count(text => Regex.IsMatch(text, $@"^({instruction})2?\s"));

double Cycles(List<string> body, string cpu, DirectoryPath work)
{
    const int Iterations = 200;
    FilePath source = work.CombineWithFilePath("loop.s");
    System.IO.File.WriteAllLines(source.FullPath, new[] { ".Lloop:" }.Concat(body.Select(text => Regex.Replace(text, @"0x[0-9a-f]+ <.*>$", ".Lloop"))));
    List<string> report = Lines("llvm-mca-19", new ProcessArgumentBuilder()
        .Append("-mtriple=aarch64").Append("-mcpu=" + cpu).Append($"-iterations={Iterations}").AppendQuoted(source.FullPath));
    string total = report.Select(line => Regex.Match(line, @"^Total Cycles:\s+(\d+)")).First(m => m.Success).Groups[1].Value;
    return double.Parse(total, CultureInfo.InvariantCulture) / Iterations;
}

// Of independent products alone.
double PeakPerCycle(string instruction, string cpu, DirectoryPath work)
{
    const int Count = 24;
    string types = instruction switch { "fmla" => "v{0}.4s, v30.4s, v31.4s", "sdot" => "v{0}.4s, v30.16b, v31.16b", _ => "v{0}.8h, v30.8b, v31.8b" };
    List<string> body = Enumerable.Range(0, Count).Select(i => $"{instruction} {string.Format(types, i)}").ToList();
    return Count / Cycles(body, cpu, work);
}
