using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace ShadowAttn.Cli.Terminal;

/// <summary>Options whose text goes through a parser that says in one line what would be right.</summary>
internal static class OptionParsing
{
    /// <summary>An option with a parser. System.CommandLine would print defaults as .NET does; the description has them as they are written.</summary>
    /// <param name="name">The option, with its dashes.</param>
    /// <param name="values">What help calls its value.</param>
    /// <param name="defaultText">The default as a person would write it; null for none.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="parse">From the option's name and its text to the value; throws <see cref="InputException"/>.</param>
    public static Option<T> Parsed<T>(string name, string values, string? defaultText, string description, Func<string, string, T> parse)
    {
        return new Option<T>(name)
        {
            Description = defaultText is null ? description : $"{description} [default: {defaultText}]",
            HelpName = values,
            CustomParser = Parse,
        };

        T? Parse(ArgumentResult argument)
        {
            try
            {
                return parse(name, argument.Tokens[0].Value);
            }
            catch (InputException e)
            {
                argument.AddError(e.Message);
                return default;
            }
        }
    }

    /// <summary>The option's value, or a default where it was not given.</summary>
    public static T ValueOr<T>(this ParseResult result, Option<T> option, T fallback)
        => result.GetResult(option) is null ? fallback : result.GetRequiredValue(option);

    /// <summary>A whole number in a range.</summary>
    public static int Number(string option, string text, int least, int most)
        => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most
            ? value
            : throw new InputException($"{option}: {InputException.Quote(text)} is not a whole number from {least} to {most}");

    /// <summary>One of some names.</summary>
    public static T Choice<T>(string option, string text, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        foreach ((string name, T value) in choices)
        {
            if (name == text)
            {
                return value;
            }
        }

        string[] names = new string[choices.Length];
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = choices[i].Name;
        }

        throw new InputException($"{option}: unknown value {InputException.Quote(text)}; choose {string.Join(", ", names[..^1])} or {names[^1]}");
    }
}
