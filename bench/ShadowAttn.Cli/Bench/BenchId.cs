using ShadowAttn.Attention;
using ShadowAttn.Cli.Run;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench;

/// <summary>
/// The text that names a benchmark with all that makes its figures comparable:
/// <c>gather.attend avx512 keys=4096,dim=128,pairs=8 threads=1 kv=f32 keep=0.2</c>.
/// </summary>
public static class BenchId
{
    /// <summary>The name of a benchmark.</summary>
    public static string Of(BenchEntry entry)
    {
        BenchRequest request = entry.Request;
        BenchKnobs knobs = request.Function.Knobs;
        var parts = new List<string>
        {
            $"{entry.Operator.Name}.{request.Function.Name}",
            InstructionSets.Name(request.Isa),
            request.Shape.Text,
            FormattableString.Invariant($"threads={request.Threads}"),
        };
        if (knobs.HasFlag(BenchKnobs.Kv))
        {
            parts.Add($"kv={OptionNames.Name(request.Kv)}");
        }

        if (knobs.HasFlag(BenchKnobs.Keep))
        {
            parts.Add($"keep={request.Keep}");
        }

        if (knobs.HasFlag(BenchKnobs.MinKeys))
        {
            parts.Add(FormattableString.Invariant($"min-keys={request.MinKeys}"));
        }

        if (knobs.HasFlag(BenchKnobs.Tail))
        {
            parts.Add($"tail={OptionNames.Name(request.Tail)}");
        }

        if (knobs.HasFlag(BenchKnobs.Input) && request.Input is { } input)
        {
            parts.Add($"input={Path.GetFileName(input)}");
        }

        return string.Join(' ', parts);
    }

    /// <summary>The benchmark of a name; its numbers are the default ones.</summary>
    /// <param name="registry">Where its operator is looked up.</param>
    /// <param name="id">A name that <see cref="Of"/> gave.</param>
    /// <exception cref="InputException">The registry has no such benchmark, or this machine cannot run it.</exception>
    public static BenchEntry Parse(BenchRegistry registry, string id)
    {
        string[] parts = id.Split(' ');
        if (parts.Length < 4)
        {
            throw new InputException($"{InputException.Quote(id)} names no benchmark: it needs function, instruction set, shape and threads");
        }

        var selection = new BenchSelection { Names = [parts[0]], Isas = [parts[1]], Shapes = [parts[2]] };
        foreach (string part in parts[3..])
        {
            string value = part[(part.IndexOf('=', StringComparison.Ordinal) + 1)..];
            selection = part[..^value.Length] switch
            {
                "threads=" => selection with { Threads = [int.TryParse(value, out int threads) && threads > 0 ? threads : throw Wrong(id, part)] },
                "kv=" => selection with { Kv = [OptionNames.TryParse(value, out KvFormat kv) ? kv : throw Wrong(id, part)] },
                "keep=" => selection with { Keep = [KeepRatio.TryParse(value, out KeepRatio keep) ? keep : throw Wrong(id, part)] },
                "min-keys=" => selection with { MinKeys = int.TryParse(value, out int least) && least > 0 ? least : throw Wrong(id, part) },
                "tail=" => selection with { Tails = [OptionNames.TryParse(value, out TailCompensation tail) ? tail : throw Wrong(id, part)] },
                _ => throw Wrong(id, part),
            };
        }

        return selection.Resolve(registry) is [BenchEntry entry]
            ? entry
            : throw new InputException($"{InputException.Quote(id)} names more than one benchmark");
    }

    private static InputException Wrong(string id, string part) => new($"{InputException.Quote(id)} names no benchmark: {InputException.Quote(part)}");
}
