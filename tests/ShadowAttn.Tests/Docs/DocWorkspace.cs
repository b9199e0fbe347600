using System.Runtime.InteropServices;
using ShadowAttn.Tests.Interop.Htp;
using ShadowAttn.Tests.Model.Llama;

namespace ShadowAttn.Tests.Docs;

/// <summary>
/// A folder in which a page's commands find what they name: a tiny language model under the models' names, texts, and a trace. It is the process's
/// current folder for as long as it lives.
/// </summary>
internal sealed class DocWorkspace : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string before = Environment.CurrentDirectory;

    public DocWorkspace(string root)
    {
        byte[] model = new TinyModel().Builder.Build().Bytes;
        foreach (string name in new[] { "M.gguf", "MODEL", "SmolLM2-135M-Instruct.Q4_1.gguf" })
        {
            folder.Write(name, model);
        }

        byte[] text = [.. Enumerable.Range(0, 400).Select(i => (byte)"the theory of these things, then "[i % 33])];
        foreach (string name in new[] { "A.txt", "B.txt", "TEXT", "gpl3.txt" })
        {
            folder.Write(name, text);
        }

        byte[] trace = File.ReadAllBytes(Path.Combine(root, "bench", "data", "small.safetensors"));
        foreach (string name in new[] { "TRACE", "TRACE.safetensors", "32.safetensors" })
        {
            folder.Write(name, trace);
        }

        Directory.CreateSymbolicLink(folder.File("bench"), Path.Combine(root, "bench"));
        Environment.CurrentDirectory = folder.Path;
    }

    /// <summary>Whether this machine has what commands name with `libQnnHtp.so`.</summary>
    public static bool HasBackend => HtpSimulator.LibraryPath is not null && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>The words with patterns expanded, and sizes such that a command takes a second at most.</summary>
    public string[] Small(string[] words)
    {
        List<string> small = [];
        for (int i = 0; i < words.Length; i++)
        {
            string option = i > 0 ? words[i - 1] : "";
            string word = words[i].Replace("_L07.", "_L01.", StringComparison.Ordinal);
            small.AddRange(
                option == "--tokens" ? ["96"]
                : option == "--layers" ? ["0,1"]
                : option == "--repeat" ? ["2"]
                : option == "--shape" ? [word.Replace(",4096,", ",512,", StringComparison.Ordinal)]
                : word == "PATH" ? [HasBackend ? HtpSimulator.LibraryPath! : "soft"]
                : word == "libQnnHtp.so" && HasBackend ? [HtpSimulator.LibraryPath!]
                : word.Contains('*', StringComparison.Ordinal) ? Directory.GetFiles(Path.GetDirectoryName(word)!, Path.GetFileName(word)).Order()
                : [word]);
        }

        if (words[0] is "run" or "compare" or "trace" && !words.Contains("--repeat"))
        {
            small.AddRange(["--repeat", "1"]);
        }
        else if (words[0] == "generate")
        {
            small.AddRange(["--max-tokens", "8"]);
        }

        return [.. small];
    }

    public void Dispose()
    {
        Environment.CurrentDirectory = before;
        folder.Dispose();
    }
}
