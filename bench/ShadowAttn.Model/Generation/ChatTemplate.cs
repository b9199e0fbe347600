using System.Text.RegularExpressions;

namespace ShadowAttn.Model.Generation;

/// <summary>
/// A chat template of the ChatML kind: <c>&lt;|im_start|&gt;role, a new line, the text, &lt;|im_end|&gt;</c>. Templates are programs in Jinja; only this kind is
/// understood, and others are refused instead of guessed at.
/// </summary>
public sealed partial class ChatTemplate
{
    private readonly string? system;

    private ChatTemplate(string? system) => this.system = system;

    /// <summary>Reads a model's template.</summary>
    /// <param name="path">The model's file, for errors.</param>
    /// <param name="template">The template; null where the model has none.</param>
    /// <exception cref="ModelException">There is none, or it is of another kind.</exception>
    public static ChatTemplate Read(string path, string? template)
    {
        if (template is null)
        {
            throw new ModelException($"{path}: has no chat template; give the prompt as it is (--raw)");
        }

        if (!template.Contains("<|im_start|>", StringComparison.Ordinal) || !template.Contains("<|im_end|>", StringComparison.Ordinal))
        {
            throw new ModelException($"{path}: the chat template is not ChatML, the kind that is understood; give the prompt as it is (--raw)");
        }

        Match match = DefaultSystem().Match(template);
        return new ChatTemplate(match.Success ? match.Groups["text"].Value : null);
    }

    /// <summary>The prompt of one question, up to where the answer begins.</summary>
    /// <param name="user">The question.</param>
    /// <param name="instructions">What the system message says; null for the template's own.</param>
    public string Prompt(string user, string? instructions = null)
    {
        string? first = instructions ?? system;
        return (first is null ? "" : Turn("system", first)) + Turn("user", user) + "<|im_start|>assistant\n";
    }

    private static string Turn(string role, string text) => $"<|im_start|>{role}\n{text}<|im_end|>\n";

    [GeneratedRegex(@"<\|im_start\|>system(\n|\\n)(?<text>[^'""{}<]+)<\|im_end\|>")]
    private static partial Regex DefaultSystem();
}
