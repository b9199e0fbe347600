using System.ComponentModel;
using System.Diagnostics;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>The C compiler of this machine: clang where there is one, else gcc or cc.</summary>
internal sealed class CCompiler
{
    private static readonly string[] s_names = ["clang", "gcc", "cc"];

    private CCompiler(string path) => Path = path;

    /// <summary>The compiler's file.</summary>
    public string Path { get; }

    /// <summary>Finds a compiler.</summary>
    /// <param name="searchPath">Folders as in the variable PATH.</param>
    /// <exception cref="InputException">There is none.</exception>
    public static CCompiler Find(string searchPath)
    {
        string suffix = OperatingSystem.IsWindows() ? ".exe" : string.Empty;
        foreach (string name in s_names)
        {
            foreach (string folder in searchPath.Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            {
                string file = System.IO.Path.Combine(folder, name + suffix);
                if (File.Exists(file))
                {
                    return new CCompiler(file);
                }
            }
        }

        throw new InputException($"abi-check needs a C compiler; PATH has none of {string.Join(", ", s_names)}");
    }

    /// <summary>Preprocesses a file.</summary>
    /// <returns>The text without line markers.</returns>
    /// <exception cref="InputException">The compiler refuses it.</exception>
    public string Preprocess(string source, string includeFolder)
    {
        (int code, string output, string error) = Run(Path, "-std=c11", "-w", "-E", "-P", "-I", includeFolder, source);
        return code == 0 ? output : throw Refused(includeFolder, error);
    }

    /// <summary>Compiles a program.</summary>
    /// <returns>What the compiler said when it refused; null when it compiled.</returns>
    public string? Compile(string source, string includeFolder, string program)
    {
        (int code, _, string error) = Run(Path, "-std=c11", "-w", "-O0", "-I", includeFolder, "-o", program, source);
        return code == 0 ? null : error;
    }

    /// <summary>The first error of the compiler as the error of the headers.</summary>
    public InputException Refused(string includeFolder, string error)
    {
        string first = error.Split('\n').FirstOrDefault(line => line.Contains("error", StringComparison.Ordinal)) ?? error;
        return new InputException($"--sdk: {Path} does not compile the headers in {includeFolder}: {first.Trim()}");
    }

    /// <summary>Runs a program to its end.</summary>
    public static (int Code, string Output, string Error) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };

        // Messages are searched for "error"; other languages have other words.
        start.Environment["LC_ALL"] = "C";
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, error.GetAwaiter().GetResult());
        }
        catch (Win32Exception e)
        {
            throw new InputException($"{program}: cannot be run: {e.Message}", e);
        }
    }
}
