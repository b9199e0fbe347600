using System.Text.RegularExpressions;

namespace ShadowAttn.Model.Generation;

/// <summary>
/// How a model wants a question put. Templates are programs in Jinja; the common families are recognised by their markers and written here, others are
/// refused instead of guessed at. Dates, tools and the like that a template adds are left out.
/// </summary>
public sealed partial class ChatTemplate
{
    private readonly string? system;
    private readonly Func<string?, string, string> write;

    private ChatTemplate(string family, string template, Func<string?, string, string> write)
    {
        Family = family;
        this.write = write;
        AddsBegin = template.Contains("bos_token", StringComparison.Ordinal);
        Match match = DefaultSystem().Match(template);
        system = match.Success ? match.Groups["text"].Value : null;
    }

    /// <summary>The family's name.</summary>
    public string Family { get; }

    /// <summary>Whether the token that begins a text comes first.</summary>
    public bool AddsBegin { get; }

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

        if (Has("<|im_start|>", "<|im_end|>"))
        {
            return new ChatTemplate("ChatML", template, (system, user) =>
                ChatMlTurn("system", system) + ChatMlTurn("user", user) + "<|im_start|>assistant\n");
        }

        if (Has("<|start_header_id|>", "<|eot_id|>"))
        {
            return new ChatTemplate("Llama 3", template, (system, user) =>
                Llama3Turn("system", system) + Llama3Turn("user", user) + "<|start_header_id|>assistant<|end_header_id|>\n\n");
        }

        if (Has("<start_of_turn>", "<end_of_turn>"))
        {
            return new ChatTemplate("Gemma", template, (system, user) =>
                $"<start_of_turn>user\n{Before(system)}{user.Trim()}<end_of_turn>\n<start_of_turn>model\n");
        }

        if (Has("[INST]", "<<SYS>>"))
        {
            return new ChatTemplate("Llama 2", template, (system, user) =>
                $"[INST] {(system is null ? "" : $"<<SYS>>\n{system}\n<</SYS>>\n\n")}{user.Trim()} [/INST]");
        }

        if (Has("[INST]", "[/INST]"))
        {
            // The versions of this family differ in these two spaces.
            string open = MistralOpen().Match(template) is { Success: true } first ? first.Groups["space"].Value : " ";
            string close = MistralClose().Match(template) is { Success: true } last ? last.Groups["space"].Value : " ";
            return new ChatTemplate("Mistral", template, (system, user) => $"[INST]{open}{Before(system)}{user}{close}[/INST]");
        }

        throw new ModelException(
            $"{path}: the chat template is of no kind that is understood: ChatML, Llama 2, Llama 3, Gemma and Mistral are; give the prompt as it is (--raw)");

        bool Has(string first, string second) =>
            template.Contains(first, StringComparison.Ordinal) && template.Contains(second, StringComparison.Ordinal);
    }

    /// <summary>The prompt of one question, up to where the answer begins, without the token that begins a text.</summary>
    /// <param name="user">The question.</param>
    /// <param name="instructions">What the system message says; null for the template's own.</param>
    public string Prompt(string user, string? instructions = null)
    {
        ArgumentNullException.ThrowIfNull(user);
        return write(instructions ?? system, user);
    }

    private static string ChatMlTurn(string role, string? text) => text is null ? "" : $"<|im_start|>{role}\n{text}<|im_end|>\n";

    private static string Llama3Turn(string role, string? text) =>
        text is null ? "" : $"<|start_header_id|>{role}<|end_header_id|>\n\n{text.Trim()}<|eot_id|>";

    /// <summary>Instructions where a family has no turn for them: before the question.</summary>
    private static string Before(string? system) => system is null ? "" : $"{system}\n\n";

    [GeneratedRegex(@"<\|im_start\|>system(\n|\\n)(?<text>[^'""{}<]+)<\|im_end\|>")]
    private static partial Regex DefaultSystem();

    [GeneratedRegex(@"\[INST\](?<space> ?)['""]")]
    private static partial Regex MistralOpen();

    [GeneratedRegex(@"['""](?<space> ?)\[/INST\]")]
    private static partial Regex MistralClose();
}
