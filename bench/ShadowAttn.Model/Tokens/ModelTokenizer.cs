using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;
using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Model.Tokens;

/// <summary>
/// The byte-level BPE tokenizer of a GGUF file: text to token ids and back. Bytes that the vocabulary has no token for, control characters
/// in some models, are left out.
/// </summary>
public sealed class ModelTokenizer
{
    private const int MaxVocabulary = 1 << 20;
    private const int ControlToken = 3;
    private const int UserDefinedToken = 4;

    private readonly BpeTokenizer bpe;
    private readonly string[] vocabulary;
    private readonly Dictionary<string, int> controls = new(StringComparer.Ordinal);
    private readonly HashSet<int> literal = [];
    private readonly SearchValues<string>? controlSearch;

    private ModelTokenizer(BpeTokenizer bpe, string[] vocabulary, int[]? types, GgufMetadata metadata)
    {
        this.bpe = bpe;
        this.vocabulary = vocabulary;
        for (int id = 0; types is not null && id < types.Length; id++)
        {
            if (types[id] is ControlToken or UserDefinedToken && vocabulary[id].Length > 0)
            {
                controls.TryAdd(vocabulary[id], id);
                literal.Add(id);
            }
        }

        controlSearch = controls.Count > 0 ? SearchValues.Create([.. controls.Keys], StringComparison.Ordinal) : null;
        BeginId = Id(metadata, "tokenizer.ggml.bos_token_id");
        EndId = Id(metadata, "tokenizer.ggml.eos_token_id");
        TurnEndId = Id(metadata, "tokenizer.ggml.eot_token_id");
        AddsBegin = metadata.BoolOrNull("tokenizer.ggml.add_bos_token") ?? false;
    }

    /// <summary>Number of tokens.</summary>
    public int Count => vocabulary.Length;

    /// <summary>The token that begins a text; null when the file names none.</summary>
    public int? BeginId { get; }

    /// <summary>The token that ends a text or turn; null when the file names none.</summary>
    public int? EndId { get; }

    /// <summary>The token that ends a turn where that is another one; null when the file names none.</summary>
    public int? TurnEndId { get; }

    /// <summary>Whether the model wants <see cref="BeginId"/> before a text.</summary>
    public bool AddsBegin { get; }

    /// <summary>Reads the tokenizer of a file.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="ModelException">Its tokenizer is of another kind, unknown or damaged.</exception>
    public static ModelTokenizer Load(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufMetadata metadata = file.Metadata;
        string kind = metadata.String("tokenizer.ggml.model");
        if (kind != "gpt2")
        {
            throw new ModelException($"{file.Path}: the tokenizer is {ModelException.Quote(kind)}; byte-level BPE ('gpt2') is supported");
        }

        string name = metadata.StringOrNull("tokenizer.ggml.pre") ?? "gpt-2";
        SplitPattern pattern = SplitPattern.Find(name) ?? throw new ModelException(
            $"{file.Path}: the pre-tokenizer {ModelException.Quote(name)} is not known; supported are {SplitPattern.Names}");
        string[] vocabulary = metadata.Strings("tokenizer.ggml.tokens", MaxVocabulary);
        string[] merges = metadata.Strings("tokenizer.ggml.merges", MaxVocabulary);
        int[]? types = metadata.NumbersOrNull("tokenizer.ggml.token_type", MaxVocabulary);
        if (types is not null && types.Length != vocabulary.Length)
        {
            throw new ModelException($"{file.Path}: tokenizer.ggml.token_type has {types.Length} elements for {vocabulary.Length} tokens");
        }

        return new ModelTokenizer(Create(file.Path, vocabulary, merges, pattern), vocabulary, types, metadata);
    }

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="withControls">
    /// Whether control tokens such as <c>&lt;|im_start|&gt;</c> written in the text count as such: for prompts from a template, not for foreign text.
    /// </param>
    public int[] Encode(string text, bool withControls = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        ReadOnlySpan<char> rest = text;
        while (withControls && controlSearch is not null && rest.IndexOfAny(controlSearch) is >= 0 and int at)
        {
            string control = LongestControl(rest[at..]);
            AddText(rest[..at], ids);
            ids.Add(controls[control]);
            rest = rest[(at + control.Length)..];
        }

        AddText(rest, ids);
        return [.. ids];
    }

    /// <summary>Appends the bytes of a token: UTF-8, of which a token may hold a part of a character only. Control tokens have none.</summary>
    /// <param name="id">The token.</param>
    /// <param name="bytes">Receives the bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public void AppendBytes(int id, List<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, vocabulary.Length);
        if (literal.Contains(id))
        {
            return;
        }

        foreach (char letter in vocabulary[id])
        {
            if (ByteAlphabet.TryByte(letter, out byte value))
            {
                bytes.Add(value);
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes([letter]));
            }
        }
    }

    /// <summary>The text of tokens; bytes that are no valid UTF-8 become replacement characters.</summary>
    /// <param name="ids">The tokens.</param>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>();
        foreach (int id in ids)
        {
            AppendBytes(id, bytes);
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>The text of a token as the vocabulary has it; empty for null.</summary>
    /// <param name="id">The token.</param>
    internal string Name(int? id) => id is { } known ? vocabulary[known] : string.Empty;

    private static BpeTokenizer Create(string path, string[] vocabulary, string[] merges, SplitPattern pattern)
    {
        var ids = new Dictionary<string, int>(vocabulary.Length, StringComparer.Ordinal);
        for (int id = 0; id < vocabulary.Length; id++)
        {
            if (!ids.TryAdd(vocabulary[id], id))
            {
                throw new ModelException(
                    $"{path}: tokenizer.ggml.tokens has {ModelException.Quote(vocabulary[id])} twice, as {ids[vocabulary[id]]} and {id}");
            }
        }

        foreach (string merge in merges)
        {
            int space = merge.IndexOf(' ');
            if (space <= 0 || space == merge.Length - 1
                || !ids.ContainsKey(merge[..space]) || !ids.ContainsKey(merge[(space + 1)..]) || !ids.ContainsKey(merge.Remove(space, 1)))
            {
                throw new ModelException($"{path}: tokenizer.ggml.merges has {ModelException.Quote(merge)}, which is no pair of tokens that make a token");
            }
        }

        try
        {
            return BpeTokenizer.Create(new BpeOptions(ids) { Merges = merges, PreTokenizer = pattern, ByteLevel = true });
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new ModelException($"{path}: the vocabulary and the merges do not make a tokenizer: {e.Message}", e);
        }
    }

    private int? Id(GgufMetadata metadata, string key) => metadata.NumberOrNull(key, 0, vocabulary.Length - 1);

    private string LongestControl(ReadOnlySpan<char> text)
    {
        string longest = string.Empty;
        foreach (string control in controls.Keys)
        {
            if (control.Length > longest.Length && text.StartsWith(control, StringComparison.Ordinal))
            {
                longest = control;
            }
        }

        return longest;
    }

    private void AddText(ReadOnlySpan<char> text, List<int> ids)
    {
        if (!text.IsEmpty)
        {
            ids.AddRange(bpe.EncodeToIds(text));
        }
    }
}
