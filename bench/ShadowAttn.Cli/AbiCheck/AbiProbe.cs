using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>A C program that prints what a compiler makes of the headers: one statement a line, so that the compiler's errors name what it refuses.</summary>
internal sealed partial class AbiProbe
{
    private const string Preamble = """
        #include <stdio.h>
        #define NUMBER(id, value) number(id, (unsigned long long)(value))
        #define VALUE(id, value) _Generic((value), char *: text, const char *: text, default: number)(id, value)
        static void number(int id, unsigned long long value) { printf("%d %llu\n", id, value); }
        static void text(int id, const char *value) { printf("%d \"%s\"\n", id, value); }
        """;

    private readonly List<(string[] Lines, Action<string?> Receive)> _entries = [];

    /// <summary>The headers of a program, in C.</summary>
    public static string Includes(SdkHeaders headers)
    {
        var text = new StringBuilder("#include <stdbool.h>\n#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n");
        foreach (string header in headers.Present)
        {
            text.Append(CultureInfo.InvariantCulture, $"#include \"{header}\"\n");
        }

        return text.ToString();
    }

    /// <summary>Asks for the value of an expression.</summary>
    /// <param name="expression">A whole number.</param>
    /// <param name="receive">Gets it as a decimal number, or null when the compiler refuses the expression.</param>
    public void Number(string expression, Action<string?> receive) => _entries.Add(([$"NUMBER({_entries.Count}, {expression});"], receive));

    /// <summary>Asks for the value of a macro.</summary>
    /// <param name="macro">Its name.</param>
    /// <param name="receive">Gets a decimal number or a text in quotes, or null when there is no such macro or it has no value.</param>
    public void Macro(string macro, Action<string?> receive) =>
        _entries.Add(([$"#ifdef {macro}", $"VALUE({_entries.Count}, {macro});", "#endif"], receive));

    /// <summary>Compiles, runs, and hands out the values.</summary>
    /// <exception cref="InputException">The headers do not compile.</exception>
    public void Run(CCompiler compiler, SdkHeaders headers)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("shadowattn-abi-");
        try
        {
            string program = Build(compiler, headers, folder.FullName);
            (int code, string output, string error) = CCompiler.Run(program);
            if (code != 0)
            {
                throw new InputException($"{program}: the compiled probe ended with exit code {code}: {error}");
            }

            var values = new string?[_entries.Count];
            foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                int space = line.IndexOf(' ', StringComparison.Ordinal);
                values[int.Parse(line.AsSpan(0, space), CultureInfo.InvariantCulture)] = line[(space + 1)..];
            }

            for (int i = 0; i < values.Length; i++)
            {
                _entries[i].Receive(values[i]);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Compiles; leaves out what the compiler refuses, until it takes the rest.</summary>
    private string Build(CCompiler compiler, SdkHeaders headers, string folder)
    {
        string source = Path.Combine(folder, "probe.c");
        string program = Path.Combine(folder, OperatingSystem.IsWindows() ? "probe.exe" : "probe");
        var refused = new HashSet<int>();
        while (true)
        {
            (string text, Dictionary<int, int> entryOfLine) = Write(headers, refused);
            File.WriteAllText(source, text);
            if (compiler.Compile(source, headers.Folder, program) is not { } error)
            {
                return program;
            }

            int before = refused.Count;
            foreach (Match match in ErrorLine().Matches(error))
            {
                if (entryOfLine.TryGetValue(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), out int entry))
                {
                    refused.Add(entry);
                }
            }

            if (refused.Count == before)
            {
                throw compiler.Refused(headers.Folder, error);
            }
        }
    }

    private (string Text, Dictionary<int, int> EntryOfLine) Write(SdkHeaders headers, HashSet<int> refused)
    {
        List<string> lines = [.. (Includes(headers) + Preamble).ReplaceLineEndings("\n").Split('\n'), "int main(void) {"];
        var entryOfLine = new Dictionary<int, int>();
        for (int i = 0; i < _entries.Count; i++)
        {
            if (!refused.Contains(i))
            {
                foreach (string line in _entries[i].Lines)
                {
                    lines.Add(line);
                    entryOfLine[lines.Count] = i;
                }
            }
        }

        lines.Add("return 0; }");
        return (string.Join('\n', lines) + "\n", entryOfLine);
    }

    [GeneratedRegex(@"probe\.c:(\d+):[\d:]* (?:error|note):")]
    private static partial Regex ErrorLine();
}
