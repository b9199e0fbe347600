using System.Globalization;
using System.Text.RegularExpressions;

namespace ShadowAttn.Cli.Bench;

/// <summary>Shapes of whole attention calls: <c>12/2x128,4096x4096,causal</c>, heads / KV heads x dim, queries x keys, and who sees what.</summary>
public sealed partial class AttentionShapeSyntax : ShapeSyntax
{
    private const int MostElements = 1 << 30;

    /// <inheritdoc/>
    public override string Text => "HEADS/KVHEADSxDIM,QUERIESxKEYS[,causal|,full]";

    /// <summary>A shape as the benchmarks of whole calls take it.</summary>
    public static AttentionShape ToAttention(BenchShape shape) => new(
        shape["heads"], shape["kv-heads"], shape["dim"], shape["queries"], shape["keys"], shape["causal"] != 0);

    /// <inheritdoc/>
    public override BenchShape Parse(string option, string text)
    {
        Match match = Pattern().Match(text);
        if (!match.Success)
        {
            throw new InputException($"{option}: {InputException.Quote(text)} is not of the form {Text}, such as 12/2x128,4096x4096,causal");
        }

        bool causal = match.Groups["mask"].Value != "full";
        var shape = new AttentionShape(Size("heads"), Size("kvheads"), Size("dim"), Size("queries"), Size("keys"), causal);
        try
        {
            shape.Validate();
        }
        catch (ArgumentException e)
        {
            throw new InputException($"{option}: {InputException.Quote(text)}: {e.Message}", e);
        }

        long elements = (long)shape.Heads * Math.Max(shape.Queries, shape.Keys) * shape.HeadDim;
        if (elements > MostElements)
        {
            throw new InputException($"{option}: {InputException.Quote(text)} has {elements} elements in a tensor; at most {MostElements} can be benchmarked");
        }

        return new BenchShape(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{shape.Heads}/{shape.KvHeads}x{shape.HeadDim},{shape.Queries}x{shape.Keys},{(causal ? "causal" : "full")}"),
            new Dictionary<string, int>
            {
                ["heads"] = shape.Heads,
                ["kv-heads"] = shape.KvHeads,
                ["dim"] = shape.HeadDim,
                ["queries"] = shape.Queries,
                ["keys"] = shape.Keys,
                ["causal"] = causal ? 1 : 0,
            });

        int Size(string name) => int.TryParse(match.Groups[name].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : throw new InputException($"{option}: {InputException.Quote(text)}: every size must be a whole number from 1 to {int.MaxValue}");
    }

    [GeneratedRegex("^(?<heads>[0-9]+)/(?<kvheads>[0-9]+)x(?<dim>[0-9]+),(?<queries>[0-9]+)x(?<keys>[0-9]+)(,(?<mask>causal|full))?$", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
