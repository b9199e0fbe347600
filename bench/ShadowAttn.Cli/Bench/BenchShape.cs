using System.Globalization;

namespace ShadowAttn.Cli.Bench;

/// <summary>The sizes of a case.</summary>
/// <param name="Text">As it is written on the command line, with every size named.</param>
/// <param name="Sizes">The sizes by name.</param>
public sealed record BenchShape(string Text, IReadOnlyDictionary<string, int> Sizes)
{
    /// <summary>A size.</summary>
    public int this[string name] => Sizes[name];

    /// <inheritdoc/>
    public override string ToString() => Text;
}

/// <summary>How an operator's shapes are written.</summary>
public abstract class ShapeSyntax
{
    /// <summary>The syntax in a line, e.g. <c>rows=N,keys=N,dim=N</c>.</summary>
    public abstract string Text { get; }

    /// <summary>Parses a shape.</summary>
    /// <param name="option">The option that it was given with, for the message.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="InputException">It is not of this syntax.</exception>
    public abstract BenchShape Parse(string option, string text);
}

/// <summary>One size of a <see cref="NamedShapeSyntax"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Default">What it is when it is not given.</param>
/// <param name="Most">The largest that makes sense.</param>
/// <param name="Least">The smallest.</param>
public sealed record ShapeSize(string Name, int Default, int Most, int Least = 1);

/// <summary>Sizes by name, in any order; what is not given has its default: <c>keys=4096,dim=64</c>.</summary>
/// <param name="sizes">The sizes.</param>
public sealed class NamedShapeSyntax(params ShapeSize[] sizes) : ShapeSyntax
{
    /// <inheritdoc/>
    public override string Text => string.Join(',', sizes.Select(s => $"{s.Name}=N"));

    /// <inheritdoc/>
    public override BenchShape Parse(string option, string text)
    {
        Dictionary<string, int> values = sizes.ToDictionary(s => s.Name, s => s.Default);
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? part : part[..equals];
            ShapeSize size = Array.Find(sizes, s => s.Name == name)
                ?? throw new InputException($"{option}: {InputException.Quote(text)} has {InputException.Quote(part)}; write {Text}");
            values[name] = equals > 0
                && int.TryParse(part[(equals + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
                && value >= size.Least && value <= size.Most
                    ? value
                    : throw new InputException(
                        $"{option}: {InputException.Quote(part)} in {InputException.Quote(text)} is not {name}= and a whole number from {size.Least} to {size.Most}");
        }

        return new BenchShape(string.Join(',', sizes.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Name}={values[s.Name]}"))), values);
    }
}
