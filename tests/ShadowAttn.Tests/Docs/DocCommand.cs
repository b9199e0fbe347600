using System.Text.RegularExpressions;

namespace ShadowAttn.Tests.Docs;

/// <summary>A command line of a page: a line of an sh block, or a line indented by four spaces that begins with a program.</summary>
/// <param name="Page">The page, relative to the repository.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Text">The command without comment and without what is optional in brackets.</param>
internal sealed partial record DocCommand(string Page, int Line, string Text)
{
    private static readonly string[] Programs =
        ["shadowattn", "./shadowattn", "dotnet", "bash", "adb", "pip", "unzip", "cc", "gcc", "cmake", "ctest", "python3", "perf", "export", "alias", "cd", "chmod"];

    /// <summary>Environment variables set in front of the program.</summary>
    public IReadOnlyList<(string Name, string Value)> Variables { get; } = [.. Split(Text).TakeWhile(IsAssignment).Select(Assignment)];

    /// <summary>Program and arguments; what stands behind a pipe or a redirection is left out.</summary>
    public string[] Words { get; } = [.. Split(Text).SkipWhile(IsAssignment).TakeWhile(w => w is not (">" or "|" or "&&"))];

    /// <summary>The arguments of shadowattn; null for another program.</summary>
    public string[]? CommandArguments => Words switch
    {
        ["shadowattn" or "./shadowattn", .. var arguments] => arguments,
        ["dotnet", "run", "-c", "Release", "--project", "bench/ShadowAttn.Cli", "--", .. var arguments] => arguments,
        _ => null,
    };

    public static IEnumerable<DocCommand> Read(string root, string page)
    {
        string? fence = null;
        int number = 0;
        foreach (string line in File.ReadLines(Path.Combine(root, page)))
        {
            number++;
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                fence = fence is null ? line[3..].Trim() : null;
                continue;
            }

            bool indented = fence is null && line.StartsWith("    ", StringComparison.Ordinal) && line.Length > 4 && line[4] != ' ';
            string text = Brackets().Replace(WithoutComment(line.Trim()), "").Trim();
            if (text.Length > 0 && (fence == "sh" || (indented && new DocCommand(page, number, text).Words is [string program, ..] && Programs.Contains(program))))
            {
                yield return new DocCommand(page, number, text);
            }
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Page}:{Line}: {Text}";

    private static string WithoutComment(string line)
    {
        Match comment = Comment().Match(line);
        return comment.Success ? comment.Groups[1].Value : line;
    }

    private static IEnumerable<string> Split(string text) =>
        Word().Matches(text).Select(m => Quotes().Replace(m.Value, q => q.Groups[1].Success ? q.Groups[1].Value : q.Groups[2].Value));

    private static bool IsAssignment(string word) => AssignmentPattern().IsMatch(word);

    private static (string Name, string Value) Assignment(string word) => (word[..word.IndexOf('=', StringComparison.Ordinal)], word[(word.IndexOf('=', StringComparison.Ordinal) + 1)..]);

    [GeneratedRegex("""(?:[^\s"']|"[^"]*"|'[^']*')+""")]
    private static partial Regex Word();

    [GeneratedRegex("""
        "([^"]*)"|'([^']*)'
        """)]
    private static partial Regex Quotes();

    [GeneratedRegex("""^((?:[^"'#]|"[^"]*"|'[^']*')*?)(?:^|\s)#.*$""")]
    private static partial Regex Comment();

    [GeneratedRegex(@" ?\[[^\]]*\]")]
    private static partial Regex Brackets();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*=")]
    private static partial Regex AssignmentPattern();
}
