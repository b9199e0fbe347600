using System.Globalization;

namespace ShadowAttn.Model.Gguf;

/// <summary>The metadata of a GGUF file. Values are decoded when they are asked for; what is asked for has to be there and of the right type.</summary>
public sealed unsafe class GgufMetadata
{
    private const int MaxArrayDepth = 4;

    private readonly string file;
    private readonly byte* start;
    private readonly long length;
    private readonly Dictionary<string, GgufValue> values = new(StringComparer.Ordinal);

    internal GgufMetadata(string file, byte* start, long length)
    {
        this.file = file;
        this.start = start;
        this.length = length;
    }

    /// <summary>The keys.</summary>
    public IReadOnlyCollection<string> Keys => values.Keys;

    /// <summary>Whether a key is there.</summary>
    /// <param name="key">The key.</param>
    public bool Has(string key) => values.ContainsKey(key);

    /// <summary>A string.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="ModelException">It is missing or no string.</exception>
    public string String(string key) => StringOrNull(key) ?? throw Missing(key);

    /// <summary>A string, or null when the key is not there.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="ModelException">It is no string, or no valid UTF-8.</exception>
    public string? StringOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
        {
            return null;
        }

        Expect(key, value, value.Type == GgufValueType.String, "a string");
        return Cursor(value).ReadString(Describe(key));
    }

    /// <summary>A whole number in a range; an array of equal numbers counts as one.</summary>
    /// <param name="key">The key.</param>
    /// <param name="least">The least that makes sense.</param>
    /// <param name="most">The most that makes sense.</param>
    /// <exception cref="ModelException">It is missing, no whole number, or outside.</exception>
    public int Number(string key, int least, int most) => NumberOrNull(key, least, most) ?? throw Missing(key);

    /// <summary>As <see cref="Number"/>, or null when the key is not there.</summary>
    /// <param name="key">The key.</param>
    /// <param name="least">The least that makes sense.</param>
    /// <param name="most">The most that makes sense.</param>
    /// <exception cref="ModelException">It is no whole number, or outside.</exception>
    public int? NumberOrNull(string key, int least, int most)
    {
        if (!values.TryGetValue(key, out GgufValue value))
        {
            return null;
        }

        GgufValueType type = value.Type == GgufValueType.Array ? value.ElementType : value.Type;
        Expect(key, value, IsWhole(type) && value.Count > 0, "a whole number");
        GgufCursor cursor = Cursor(value);
        Int128 number = ReadWhole(ref cursor, type, key);
        for (long i = 1; i < value.Count; i++)
        {
            if (ReadWhole(ref cursor, type, key) != number)
            {
                throw new ModelException($"{file}: {key} differs between layers; models whose layers differ are not supported");
            }
        }

        return number >= least && number <= most
            ? (int)number
            : throw new ModelException($"{file}: {key} is {number}, but must be {least} to {most}");
    }

    /// <summary>A finite number, or null when the key is not there.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="ModelException">It is no number, or not finite.</exception>
    public double? RealOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
        {
            return null;
        }

        Expect(key, value, value.Type is GgufValueType.Float32 or GgufValueType.Float64 || IsWhole(value.Type), "a number");
        GgufCursor cursor = Cursor(value);
        double number = value.Type switch
        {
            GgufValueType.Float32 => cursor.Read<float>(key),
            GgufValueType.Float64 => cursor.Read<double>(key),
            _ => (double)ReadWhole(ref cursor, value.Type, key),
        };
        return double.IsFinite(number)
            ? number
            : throw new ModelException($"{file}: {key} is {number.ToString(CultureInfo.InvariantCulture)}, but must be finite");
    }

    /// <summary>A truth value, or null when the key is not there.</summary>
    /// <param name="key">The key.</param>
    /// <exception cref="ModelException">It is no truth value.</exception>
    public bool? BoolOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
        {
            return null;
        }

        Expect(key, value, value.Type == GgufValueType.Bool, "true or false");
        return Cursor(value).Read<byte>(key) != 0;
    }

    /// <summary>An array of strings.</summary>
    /// <param name="key">The key.</param>
    /// <param name="most">The most elements that make sense.</param>
    /// <exception cref="ModelException">It is missing, no array of strings, too long, or an element is no valid UTF-8.</exception>
    public string[] Strings(string key, int most)
    {
        GgufValue value = values.TryGetValue(key, out GgufValue found) ? found : throw Missing(key);
        Expect(key, value, value is { Type: GgufValueType.Array, ElementType: GgufValueType.String }, "an array of strings");
        CheckCount(key, value, most);
        GgufCursor cursor = Cursor(value);
        var strings = new string[value.Count];
        string what = Describe(key);
        for (int i = 0; i < strings.Length; i++)
        {
            strings[i] = cursor.ReadString(what);
        }

        return strings;
    }

    /// <summary>An array of whole numbers, or null when the key is not there.</summary>
    /// <param name="key">The key.</param>
    /// <param name="most">The most elements that make sense.</param>
    /// <exception cref="ModelException">It is no array of whole numbers of 32 bits, or too long.</exception>
    public int[]? NumbersOrNull(string key, int most)
    {
        if (!values.TryGetValue(key, out GgufValue value))
        {
            return null;
        }

        Expect(key, value, value.Type == GgufValueType.Array && IsWhole(value.ElementType), "an array of whole numbers");
        CheckCount(key, value, most);
        GgufCursor cursor = Cursor(value);
        var numbers = new int[value.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            Int128 number = ReadWhole(ref cursor, value.ElementType, key);
            numbers[i] = number >= int.MinValue && number <= int.MaxValue
                ? (int)number
                : throw new ModelException($"{file}: {key}[{i}] is {number}, more than 32 bits hold");
        }

        return numbers;
    }

    /// <summary>Reads a key with its value's type, and steps over the value.</summary>
    internal void Add(ref GgufCursor cursor)
    {
        string key = cursor.ReadString("a metadata key");
        string what = Describe(key);
        GgufValueType type = ReadType(ref cursor, what);
        GgufValue value = type == GgufValueType.Array ? ReadArray(ref cursor, what) : new GgufValue(type, type, 1, cursor.Position);
        if (type != GgufValueType.Array)
        {
            Skip(ref cursor, type, 1, what, 0);
        }

        if (!values.TryAdd(key, value))
        {
            throw new ModelException($"{file}: {what} is there twice");
        }
    }

    private GgufValue ReadArray(ref GgufCursor cursor, string what)
    {
        (GgufValueType element, long count) = ReadArrayHeader(ref cursor, what);
        var value = new GgufValue(GgufValueType.Array, element, count, cursor.Position);
        Skip(ref cursor, element, count, what, 1);
        return value;
    }

    private (GgufValueType Element, long Count) ReadArrayHeader(ref GgufCursor cursor, string what)
    {
        GgufValueType element = ReadType(ref cursor, what);
        ulong count = cursor.Read<ulong>(what);
        return count <= (ulong)cursor.Remaining
            ? (element, (long)count)
            : throw new ModelException($"{file}: {what} has {count} elements, but only {cursor.Remaining} bytes follow: the file is truncated or damaged");
    }

    private GgufValueType ReadType(ref GgufCursor cursor, string what)
    {
        uint number = cursor.Read<uint>(what);
        return number <= (uint)GgufValueType.Float64
            ? (GgufValueType)number
            : throw new ModelException($"{file}: {what} has the unknown value type {number}: the file is damaged or of a newer version");
    }

    private void Skip(ref GgufCursor cursor, GgufValueType type, long count, string what, int depth)
    {
        switch (type)
        {
            case GgufValueType.String:
                for (long i = 0; i < count; i++)
                {
                    cursor.ReadBytes(what);
                }

                break;
            case GgufValueType.Array when depth >= MaxArrayDepth:
                throw new ModelException($"{file}: {what} has arrays nested more than {MaxArrayDepth} deep: the file is damaged");
            case GgufValueType.Array:
                for (long i = 0; i < count; i++)
                {
                    (GgufValueType element, long inner) = ReadArrayHeader(ref cursor, what);
                    Skip(ref cursor, element, inner, what, depth + 1);
                }

                break;
            default:
                cursor.Skip(count * Bytes(type), what);
                break;
        }
    }

    private static int Bytes(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        _ => 8,
    };

    private static bool IsWhole(GgufValueType type) =>
        type is not (GgufValueType.Float32 or GgufValueType.Float64 or GgufValueType.Bool or GgufValueType.String or GgufValueType.Array);

    private static Int128 ReadWhole(ref GgufCursor cursor, GgufValueType type, string key) => type switch
    {
        GgufValueType.UInt8 => cursor.Read<byte>(key),
        GgufValueType.Int8 => cursor.Read<sbyte>(key),
        GgufValueType.UInt16 => cursor.Read<ushort>(key),
        GgufValueType.Int16 => cursor.Read<short>(key),
        GgufValueType.UInt32 => cursor.Read<uint>(key),
        GgufValueType.Int32 => cursor.Read<int>(key),
        GgufValueType.UInt64 => cursor.Read<ulong>(key),
        _ => cursor.Read<long>(key),
    };

    private static string Describe(string key) => $"metadata {ModelException.Quote(key)}";

    private GgufCursor Cursor(GgufValue value) => new(file, start, length, value.Offset);

    private ModelException Missing(string key) => new($"{file}: has no metadata {ModelException.Quote(key)}, which the model needs");

    private void Expect(string key, GgufValue value, bool ok, string what)
    {
        if (!ok)
        {
            string type = value.Type == GgufValueType.Array ? $"{value.Count} x {value.ElementType}" : value.Type.ToString();
            throw new ModelException($"{file}: {key} is {type}, but must be {what}");
        }
    }

    private void CheckCount(string key, GgufValue value, int most)
    {
        if (value.Count > most)
        {
            throw new ModelException($"{file}: {key} has {value.Count} elements, more than the {most} that are supported");
        }
    }
}
