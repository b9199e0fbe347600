using System.Globalization;
using System.Text.RegularExpressions;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>
/// Compares the facts that the bindings stand for with what a compiler makes of an SDK's headers. Beyond plain equality it knows how the API
/// grows: slots are appended to the function tables and alternatives to unions, minor versions rise, and older headers lack what came later.
/// </summary>
internal sealed partial class AbiComparison
{
    private const string None = "missing";

    private readonly AbiFacts _facts;
    private readonly SdkHeaders _headers;
    private readonly CCompiler _compiler;
    private readonly HeaderDeclarations _theirs;
    private readonly QnnApiVersion? _theirApi;
    private readonly AbiProbe _probe = new();
    private readonly List<AbiFinding> _different = [];
    private readonly List<AbiFinding> _newer = [];
    private readonly List<AbiFinding> _older = [];
    private int _compared;

    private AbiComparison(AbiFacts facts, SdkHeaders headers, CCompiler compiler, HeaderDeclarations theirs, QnnApiVersion? theirApi)
    {
        _facts = facts;
        _headers = headers;
        _compiler = compiler;
        _theirs = theirs;
        _theirApi = theirApi;
    }

    private bool IsOlder => _theirApi is { } theirs && theirs < QnnApiVersion.Bindings;

    /// <summary>Compares.</summary>
    /// <exception cref="InputException">The headers do not compile.</exception>
    public static AbiReport Compare(AbiFacts facts, SdkHeaders headers, CCompiler compiler)
    {
        string preprocessed = Preprocess(headers, compiler);
        var comparison = new AbiComparison(facts, headers, compiler, HeaderDeclarations.Read(preprocessed), ReadVersion(preprocessed));
        return comparison.Run();
    }

    private static string Preprocess(SdkHeaders headers, CCompiler compiler)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("shadowattn-abi-");
        try
        {
            string source = Path.Combine(folder.FullName, "headers.c");
            File.WriteAllText(source, AbiProbe.Includes(headers) + "shadowattn_api QNN_API_VERSION_MAJOR QNN_API_VERSION_MINOR QNN_API_VERSION_PATCH;\n");
            return compiler.Preprocess(source, headers.Folder);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static QnnApiVersion? ReadVersion(string preprocessed)
    {
        Match match = ApiVersion().Match(preprocessed);
        return match.Success ? new QnnApiVersion(Part(1), Part(2), Part(3)) : null;

        int Part(int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);
    }

    private AbiReport Run()
    {
        foreach (string header in _headers.Missing)
        {
            Lacking(new AbiFinding(header, null, "header", "present", None));
        }

        foreach (StructFact fact in _facts.Structs)
        {
            AskStruct(fact);
        }

        foreach (EnumFact fact in _facts.Enums)
        {
            AskEnum(fact);
        }

        foreach ((string name, string type) in _facts.Typedefs)
        {
            AskType(name, type);
        }

        foreach ((string name, string value) in _facts.Constants)
        {
            _probe.Macro(name, theirs => CompareConstant(name, value, theirs));
        }

        _probe.Run(_compiler, _headers);
        return new AbiReport(
            _headers.Folder, _compiler.Path, QnnApiVersion.Bindings.ToString(), _theirApi?.ToString() ?? string.Empty, _compared,
            _different.Count == 0, _different, _newer, _older);
    }

    private void AskStruct(StructFact fact)
    {
        string name = TheirName(fact.Name);
        if (!_theirs.Structs.TryGetValue(name, out IReadOnlyList<string>? fields))
        {
            Lacking(new AbiFinding(fact.Name, null, "type", $"{fact.Size} bytes", None));
            return;
        }

        // The tables of functions grow at their end, and so do the structs that end with one.
        bool isTable = IsTable(fact.Name) || HoldsTable(fact.Name);
        _probe.Number($"sizeof({name})", theirs => CompareSize(name, null, fact.Size, theirs, isTable));
        _probe.Number($"_Alignof({name})", theirs => Equal(name, null, "alignment", fact.Alignment, theirs));
        var known = new HashSet<string>();
        foreach (FieldFact field in fact.Fields)
        {
            string member = TheirField(fact.Name, field.Name, fields);
            known.Add(member);
            if (!fields.Contains(member))
            {
                Lacking(new AbiFinding(name, field.Name, IsTable(fact.Name) ? "slot" : "field", Place(fact, field), None));
                continue;
            }

            _probe.Number($"offsetof({name}, {member})", theirs => CompareOffset(fact, name, field, theirs));
            _probe.Number(
                $"sizeof((({name} *)0)->{member})", theirs => CompareSize(name, member, field.Size, theirs, mayGrow: HoldsTable(fact.Name) && IsTableField(field.Name)));
        }

        foreach (string added in fields.Where(f => !known.Contains(f)))
        {
            _probe.Number($"offsetof({name}, {added})", theirs => _newer.Add(new AbiFinding(
                name, added, IsTable(fact.Name) ? "slot" : "field", None, IsTable(fact.Name) ? SlotOf(theirs) : $"at byte {theirs}")));
        }
    }

    private void AskEnum(EnumFact fact)
    {
        if (!_theirs.Enums.TryGetValue(fact.Name, out IReadOnlyList<string>? constants))
        {
            Lacking(new AbiFinding(fact.Name, null, "type", "enum", None));
            return;
        }

        _probe.Number($"sizeof({fact.Name})", theirs => Equal(fact.Name, null, "size", sizeof(int), theirs));
        foreach ((string constant, long value) in fact.Constants)
        {
            if (constants.Contains(constant))
            {
                _probe.Number(constant, theirs => Equal(fact.Name, constant, "value", value, theirs));
            }
            else
            {
                Lacking(new AbiFinding(fact.Name, constant, "constant", value.ToString(CultureInfo.InvariantCulture), None));
            }
        }

        foreach (string added in constants.Except(fact.Constants.Select(c => c.Name)))
        {
            _probe.Number(added, theirs => _newer.Add(new AbiFinding(fact.Name, added, "constant", None, SignedText(theirs))));
        }
    }

    private void AskType(string name, string type)
    {
        if (!_theirs.Typedefs.TryGetValue(name, out string? declaration))
        {
            Lacking(new AbiFinding(name, null, "type", type, None));
            return;
        }

        // What a handle or a number is called may change as long as its size does not; of a function, every parameter counts.
        bool isFunction = type.Contains('(', StringComparison.Ordinal);
        bool isWhole = isFunction || type.StartsWith("struct ", StringComparison.Ordinal);
        string expression = isWhole ? $"__builtin_types_compatible_p({name}, {type})" : $"sizeof({name}) == sizeof({type})";
        if (isFunction && CTokens.Read(type).Any(IsUnknownType))
        {
            return;
        }

        _probe.Number(expression, theirs =>
        {
            _compared++;
            if (theirs != "1")
            {
                _different.Add(new AbiFinding(name, null, "type", type, declaration));
            }
        });
    }

    /// <summary>Types that older headers lack are said to be missing themselves; what needs them cannot be compiled.</summary>
    private bool IsUnknownType(string token) => token.StartsWith("Qnn", StringComparison.Ordinal)
        && !_theirs.Structs.ContainsKey(token) && !_theirs.Enums.ContainsKey(token) && !_theirs.Typedefs.ContainsKey(token);

    private void CompareConstant(string name, string ours, string? theirs)
    {
        if (theirs is null)
        {
            Lacking(new AbiFinding(name, null, "constant", ours, None));
            return;
        }

        _compared++;
        if (theirs == ours)
        {
            return;
        }

        var finding = new AbiFinding(name, null, "value", ours, theirs);
        if (!MinorVersion().IsMatch(name) || !uint.TryParse(ours, out uint our) || !uint.TryParse(theirs, out uint their))
        {
            _different.Add(finding);
        }
        else if (name == "QNN_API_VERSION_MINOR" && their < QnnApiVersion.Oldest.Minor)
        {
            _different.Add(finding with { Ours = $"{our} (at least {QnnApiVersion.Oldest.Minor})" });
        }
        else
        {
            (their > our ? _newer : _older).Add(finding);
        }
    }

    private void CompareOffset(StructFact fact, string name, FieldFact field, string? theirs)
    {
        _compared++;
        if (theirs != Text(field.Offset))
        {
            _different.Add(IsTable(fact.Name)
                ? new AbiFinding(name, field.Name, "slot", SlotOf(Text(field.Offset)), SlotOf(theirs))
                : new AbiFinding(name, field.Name, "offset", Text(field.Offset), theirs ?? None));
        }
    }

    private void CompareSize(string name, string? member, int ours, string? theirs, bool mayGrow)
    {
        _compared++;
        if (theirs == Text(ours))
        {
            return;
        }

        var finding = new AbiFinding(name, member, "size", Text(ours), theirs ?? None);
        bool grew = int.TryParse(theirs, out int size) && size > ours;
        (mayGrow && theirs is not null ? grew ? _newer : IsOlder ? _older : _different : _different).Add(finding);
    }

    private void Equal(string subject, string? member, string what, long ours, string? theirs)
    {
        _compared++;
        if (theirs != Text(ours))
        {
            _different.Add(new AbiFinding(subject, member, what, ours.ToString(CultureInfo.InvariantCulture), SignedText(theirs)));
        }
    }

    private void Lacking(AbiFinding finding)
    {
        _compared++;
        (IsOlder ? _older : _different).Add(finding);
    }

    /// <summary>The tables carry the API's version in their name, so the headers' table has another one.</summary>
    private string TheirName(string ours) => TablePrefix().Match(ours) is { Success: true } match
        ? _theirs.Structs.Keys.Where(k => k.StartsWith(match.Value, StringComparison.Ordinal)).OrderBy(k => k.Length).ThenBy(k => k, StringComparer.Ordinal)
            .LastOrDefault() ?? ours
        : ours;

    private static string TheirField(string type, string ours, IReadOnlyList<string> fields) =>
        HoldsTable(type) && IsTableField(ours) ? fields.LastOrDefault(IsTableField) ?? ours : ours;

    private static bool IsTable(string name) => TablePrefix().IsMatch(name);

    private static bool HoldsTable(string name) => name is "QnnInterface_t" or "QnnSystemInterface_t";

    private static bool IsTableField(string name) => TableField().IsMatch(name);

    private static string Place(StructFact fact, FieldFact field) => IsTable(fact.Name) ? SlotOf(Text(field.Offset)) : $"at byte {field.Offset}";

    private static string SlotOf(string? offset) => int.TryParse(offset, out int bytes) ? $"slot {bytes / sizeof(long)}" : None;

    private static string Text(long value) => unchecked((ulong)value).ToString(CultureInfo.InvariantCulture);

    private static string SignedText(string? value) => ulong.TryParse(value, out ulong number)
        ? unchecked((long)number).ToString(CultureInfo.InvariantCulture)
        : value ?? None;

    [GeneratedRegex(@"shadowattn_api\s+\(?(\d+)\w*\)?\s+\(?(\d+)\w*\)?\s+\(?(\d+)")]
    private static partial Regex ApiVersion();

    [GeneratedRegex(@"^Qnn(System)?Interface_ImplementationV")]
    private static partial Regex TablePrefix();

    [GeneratedRegex(@"^v\d+_\d+$")]
    private static partial Regex TableField();

    [GeneratedRegex(@"_VERSION_(MINOR|PATCH)$")]
    private static partial Regex MinorVersion();
}
