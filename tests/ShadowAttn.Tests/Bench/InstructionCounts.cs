using System.Text.Json;

namespace ShadowAttn.Tests.Bench;

/// <summary>What build.cake's target bench-arm64 writes: the instructions of each operator, of its C version, and of whole stages.</summary>
internal sealed record InstructionCounts(IReadOnlyDictionary<string, OperatorCount> Operators, IReadOnlyDictionary<string, long> Stages)
{
    public static InstructionCounts Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        Dictionary<string, OperatorCount> operators = document.RootElement.GetProperty("counts").EnumerateArray().ToDictionary(
            c => $"{Text(c, "shape")} {Text(c, "operator")} {Text(c, "isa")}",
            c => new OperatorCount(
                c.GetProperty("instructions").GetInt64(),
                c.GetProperty("c").ValueKind == JsonValueKind.Null ? null : c.GetProperty("c").GetInt64()));
        Dictionary<string, long> stages = document.RootElement.GetProperty("stages").EnumerateArray().ToDictionary(
            s => $"{Text(s, "shape")} {Text(s, "stage")}", s => s.GetProperty("instructions").GetInt64());
        return new InstructionCounts(operators, stages);
    }

    /// <summary>A line for each count that has grown by more than <paramref name="tolerance"/> or is no longer there.</summary>
    public IReadOnlyList<string> Regressions(InstructionCounts now, double tolerance)
    {
        var lines = new List<string>();
        foreach ((string name, OperatorCount before) in Operators)
        {
            if (!now.Operators.TryGetValue(name, out OperatorCount after))
            {
                lines.Add($"{name}: no longer counted");
            }
            else if (after.Instructions > before.Instructions * (1 + tolerance))
            {
                double percent = ((double)after.Instructions / before.Instructions - 1) * 100;
                lines.Add(FormattableString.Invariant($"{name}: {before.Instructions} instructions have become {after.Instructions}, {percent:F1} % more"));
            }
        }

        return lines;
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}

/// <summary>Instructions of one operator, and of its C version if there is one.</summary>
internal readonly record struct OperatorCount(long Instructions, long? C);
