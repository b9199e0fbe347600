using System.Globalization;
using System.Text.Json;

namespace ShadowAttn.Cli.AbiCheck;

/// <summary>A field of a struct. Fields of anonymous unions stand beside the others: equal offsets are one union.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Offset">Bytes from the struct's start.</param>
/// <param name="Size">Bytes.</param>
internal sealed record FieldFact(string Name, int Offset, int Size);

/// <summary>A struct or union.</summary>
internal sealed record StructFact(string Name, int Size, int Alignment, IReadOnlyList<FieldFact> Fields);

/// <summary>An enum with its constants.</summary>
internal sealed record EnumFact(string Name, IReadOnlyList<(string Name, long Value)> Constants);

/// <summary>What the bindings hold the QNN C API for: the tests compare them with the same facts.</summary>
/// <param name="Structs">Structs and unions.</param>
/// <param name="Enums">Enums.</param>
/// <param name="Typedefs">Names of other types, with what they stand for as C writes it.</param>
/// <param name="Constants">Macros with a value: whole numbers, modulo 2^64, or texts in double quotes.</param>
internal sealed record AbiFacts(
    IReadOnlyList<StructFact> Structs,
    IReadOnlyList<EnumFact> Enums,
    IReadOnlyList<KeyValuePair<string, string>> Typedefs,
    IReadOnlyList<KeyValuePair<string, string>> Constants)
{
    private const string Resource = "qnn-api-2.32.json";

    /// <summary>The facts as JSON.</summary>
    public static Stream OpenJson() => typeof(AbiFacts).Assembly.GetManifestResourceStream(Resource)
        ?? throw new InvalidOperationException($"the resource {Resource} is missing");

    /// <summary>Reads the facts.</summary>
    public static AbiFacts Load()
    {
        using Stream stream = OpenJson();
        using JsonDocument json = JsonDocument.Parse(stream);
        JsonElement root = json.RootElement;
        return new AbiFacts(
            [.. root.GetProperty("structs").EnumerateObject().Select(ReadStruct)],
            [.. root.GetProperty("enums").EnumerateObject().Select(ReadEnum)],
            [.. root.GetProperty("typedefs").EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value.GetString()!))],
            [.. root.GetProperty("constants").EnumerateObject().Select(p => KeyValuePair.Create(p.Name, Normalise(p.Value.GetString()!)))]);
    }

    private static StructFact ReadStruct(JsonProperty item) => new(
        item.Name,
        item.Value.GetProperty("size").GetInt32(),
        item.Value.GetProperty("align").GetInt32(),
        [
            .. item.Value.GetProperty("fields").EnumerateArray().Select(f => new FieldFact(
                f.GetProperty("name").GetString()!, f.GetProperty("offset").GetInt32(), f.GetProperty("size").GetInt32())),
        ]);

    private static EnumFact ReadEnum(JsonProperty item) => new(
        item.Name, [.. item.Value.EnumerateArray().Select(pair => (pair[0].GetString()!, pair[1].GetInt64()))]);

    /// <summary>As the probe prints values: unsigned decimal numbers, texts in quotes.</summary>
    private static string Normalise(string value)
    {
        if (value.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            return ulong.Parse(value.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture);
        }

        return long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)
            ? unchecked((ulong)number).ToString(CultureInfo.InvariantCulture)
            : value.StartsWith('"') ? value : $"\"{value}\"";
    }
}
