using System.Text.Json;
using Xunit;

namespace ShadowAttn.Tests.Model;

/// <summary>The real model and the gold figures, where this machine has them.</summary>
internal static class TestModel
{
    private const string ModelVariable = "SHADOWATTN_TEST_MODELS";
    private const string TraceVariable = "SHADOWATTN_TEST_TRACES";

    /// <summary>SmolLM2-135M-Instruct; skips the test where it is not there.</summary>
    public static string Path
    {
        get
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("SHADOWATTN_TEST_EMULATED") == "1", "a language model takes too long on an emulated machine");
            string folder = Folder(ModelVariable, "the language model");
            string path = System.IO.Path.Combine(folder, "SmolLM2-135M-Instruct.Q4_1.gguf");
            Assert.SkipUnless(File.Exists(path), $"{ModelVariable}: {path} is not there");
            return path;
        }
    }

    /// <summary>A text of the gold figures.</summary>
    public static string Text(string name) => System.IO.Path.Combine(Folder(TraceVariable, "the texts"), "texts", $"{name}.txt");

    /// <summary>The gold figures of a text.</summary>
    public static JsonElement Gold(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(System.IO.Path.Combine(Folder(TraceVariable, "the texts"), "gold.json"))).RootElement.GetProperty("texts").GetProperty(name);

    private static string Folder(string variable, string what)
    {
        string? folder = Environment.GetEnvironmentVariable(variable);
        Assert.SkipWhen(string.IsNullOrEmpty(folder), $"{variable} does not say where {what} is");
        return folder!;
    }
}
