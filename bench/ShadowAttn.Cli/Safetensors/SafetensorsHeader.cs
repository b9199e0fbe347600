using System.Text.Json;

namespace ShadowAttn.Cli.Safetensors;

/// <summary>
/// The JSON header of a safetensors file: an object with one member per tensor, { dtype, shape, data_offsets: [begin, end] }, and optionally
/// __metadata__, an object of strings. Checked is all that the format demands: known types, sizes that agree, no overlap, no gap.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const string MetadataName = "__metadata__";
    private readonly string _file;

    private SafetensorsHeader(string file) => _file = file;

    public List<SafetensorsTensor> Tensors { get; } = [];

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Parses and checks a header.</summary>
    /// <param name="file">The file's name, for messages.</param>
    /// <param name="json">The header.</param>
    /// <param name="dataBytes">How many bytes the file has behind the header.</param>
    /// <exception cref="InputException">Anything is wrong.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, long dataBytes)
    {
        var header = new SafetensorsHeader(file);
        try
        {
            header.ReadAll(json);
        }
        catch (JsonException e)
        {
            throw new InputException($"{file}: the header is no valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // Text that is not UTF-8, or half of a surrogate pair.
            throw new InputException($"{file}: the header has a string that is no valid text: {e.Message}", e);
        }

        header.CheckLayout(dataBytes);
        return header;
    }

    private void ReadAll(ReadOnlySpan<byte> json)
    {
        if (json[0] != (byte)'{')
        {
            throw new InputException($"{_file}: the header does not start with '{{', so this is no safetensors file");
        }

        var reader = new Utf8JsonReader(json);
        reader.Read();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (ReadMember(ref reader, out string name))
        {
            if (!names.Add(name))
            {
                throw new InputException($"{_file}: the header has {InputException.Quote(name)} twice");
            }

            if (name == MetadataName)
            {
                ReadMetadata(ref reader);
            }
            else
            {
                ReadTensor(ref reader, name);
            }
        }

        // Throws for anything but white space behind the object.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new InputException($"{_file}: {MetadataName} must be an object of strings");
        }

        while (ReadMember(ref reader, out string key))
        {
            if (reader.TokenType != JsonTokenType.String)
            {
                throw new InputException($"{_file}: metadata {InputException.Quote(key)} must be a string");
            }

            if (!Metadata.TryAdd(key, reader.GetString()!))
            {
                throw new InputException($"{_file}: metadata {InputException.Quote(key)} is there twice");
            }
        }
    }

    private void ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw Error(name, "must be an object with dtype, shape and data_offsets");
        }

        SafetensorsType? type = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        while (ReadMember(ref reader, out string member))
        {
            bool repeated = member switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false };
            if (repeated)
            {
                throw Error(name, $"has {member} twice");
            }

            switch (member)
            {
                case "dtype":
                    type = ReadType(ref reader, name);
                    break;
                case "shape":
                    shape = ReadNumbers(ref reader, name, member);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, name, member);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            throw Error(name, $"has no {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
        }

        AddTensor(name, type, shape, offsets);
    }

    private void AddTensor(string name, SafetensorsType type, List<long> shape, List<long> offsets)
    {
        if (offsets.Count != 2)
        {
            throw Error(name, $"data_offsets must be two numbers, begin and end, not {offsets.Count}");
        }

        (long begin, long end) = (offsets[0], offsets[1]);
        if (end < begin)
        {
            throw Error(name, $"data_offsets end at {end}, before they begin at {begin}");
        }

        Int128 bits = type.Bits;
        foreach (long length in shape)
        {
            bits *= length;
            if (bits > long.MaxValue)
            {
                throw Error(name, $"shape [{string.Join(", ", shape)}] is too large for any file");
            }
        }

        if (bits != (Int128)(end - begin) * 8)
        {
            throw Error(name, $"data_offsets [{begin}, {end}] hold {end - begin} bytes, but {type} of shape [{string.Join(", ", shape)}] needs "
                + (bits % 8 == 0 ? $"{bits / 8}" : $"{bits} bits"));
        }

        Tensors.Add(new SafetensorsTensor(name, type, shape, begin, end - begin));
    }

    private void CheckLayout(long dataBytes)
    {
        Tensors.Sort((a, b) => (a.DataOffset, a.ByteLength).CompareTo((b.DataOffset, b.ByteLength)));
        long end = 0;
        SafetensorsTensor? previous = null;
        foreach (SafetensorsTensor tensor in Tensors)
        {
            if (tensor.DataOffset < end)
            {
                throw new InputException($"{_file}: tensors {InputException.Quote(previous!.Name)} and {InputException.Quote(tensor.Name)} overlap "
                    + $"at byte {tensor.DataOffset} of the data");
            }

            if (tensor.DataOffset > end)
            {
                throw new InputException($"{_file}: bytes {end} to {tensor.DataOffset} of the data, before tensor {InputException.Quote(tensor.Name)}, "
                    + "belong to no tensor");
            }

            end = tensor.DataOffset + tensor.ByteLength;
            if (end > dataBytes)
            {
                throw Error(tensor.Name, $"ends at byte {end} of the data, but the file has only {dataBytes} bytes of data: it is truncated");
            }

            previous = tensor;
        }

        if (end != dataBytes)
        {
            throw new InputException($"{_file}: bytes {end} to {dataBytes} of the data belong to no tensor");
        }
    }

    private SafetensorsType ReadType(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.String)
        {
            throw Error(name, "dtype must be a string such as \"F16\"");
        }

        string text = reader.GetString()!;
        foreach (SafetensorsType type in SafetensorsType.All)
        {
            if (type.Name == text)
            {
                return type;
            }
        }

        throw Error(name, $"has the unknown dtype {InputException.Quote(text)}");
    }

    private List<long> ReadNumbers(ref Utf8JsonReader reader, string name, string member)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw Error(name, $"{member} must be an array of whole numbers");
        }

        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
            {
                throw Error(name, $"{member}[{numbers.Count}] must be a whole number from 0 to {long.MaxValue}");
            }

            numbers.Add(number);
        }

        return numbers;
    }

    private InputException Error(string tensor, string message) => new($"{_file}: tensor {InputException.Quote(tensor)} {message}");

    // Steps to the value of the next member; false at the end of the object.
    private static bool ReadMember(ref Utf8JsonReader reader, out string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.PropertyName)
        {
            name = "";
            return false;
        }

        name = reader.GetString()!;
        reader.Read();
        return true;
    }
}
