using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using ShadowAttn.Cli.AbiCheck;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Tests.Interop.Facts;

/// <summary>
/// Compares the bindings with a facts file: sizes, alignments, offsets, enum values, constants, and the order of the functions
/// in the interface tables. The layout is what this process has, not what attributes say.
/// </summary>
static class BindingFacts
{
    static readonly Assembly Bindings = typeof(QnnApi).Assembly;

    public static JsonNode Load()
    {
        using Stream json = AbiFacts.OpenJson();
        return JsonNode.Parse(json)!;
    }

    /// <summary>Every difference, one line each; also counts what was compared.</summary>
    public static List<string> Compare(JsonNode facts, out int compared)
    {
        var differences = new List<string>();
        compared = 0;
        foreach ((string name, JsonNode? structure) in facts["structs"]!.AsObject())
        {
            CompareStruct(name, structure!, differences, ref compared);
        }
        foreach ((string name, JsonNode? values) in facts["enums"]!.AsObject())
        {
            CompareEnum(name, values!.AsArray(), differences, ref compared);
        }
        foreach ((string name, JsonNode? value) in facts["constants"]!.AsObject())
        {
            CompareConstant(name, value!.GetValue<string>(), differences, ref compared);
        }
        return differences;
    }

    static void CompareStruct(string name, JsonNode facts, List<string> differences, ref int compared)
    {
        Type? type = Bindings.GetType($"ShadowAttn.Interop.Qnn.{name}");
        if (type is null)
        {
            differences.Add($"struct {name} is missing");
            return;
        }
        Differ($"size of {name}", Layout.SizeOf(type), facts["size"]!.GetValue<int>(), differences, ref compared);
        Differ($"alignment of {name}", Layout.AlignmentOf(type), facts["align"]!.GetValue<int>(), differences, ref compared);

        List<(string Name, int Offset, int Size)> actual = Layout.FieldsOf(type);
        JsonArray expected = facts["fields"]!.AsArray();
        Differ($"number of fields of {name}", actual.Count, expected.Count, differences, ref compared);
        for (int i = 0; i < Math.Min(actual.Count, expected.Count); i++)
        {
            string field = expected[i]!["name"]!.GetValue<string>();
            Differ($"field {i} of {name}", actual[i].Name, field, differences, ref compared);
            Differ($"offset of {name}.{field}", actual[i].Offset, expected[i]!["offset"]!.GetValue<int>(), differences, ref compared);
            Differ($"size of {name}.{field}", actual[i].Size, expected[i]!["size"]!.GetValue<int>(), differences, ref compared);
        }
    }

    static void CompareEnum(string name, JsonArray facts, List<string> differences, ref int compared)
    {
        Type? type = Bindings.GetType($"ShadowAttn.Interop.Qnn.{name}");
        if (type is not { IsEnum: true })
        {
            differences.Add($"enum {name} is missing");
            return;
        }
        Differ($"number of constants of {name}", Enum.GetNames(type).Length, facts.Count, differences, ref compared);
        foreach (JsonNode? pair in facts)
        {
            string constant = pair![0]!.GetValue<string>();
            FieldInfo? field = type.GetField(constant);
            string actual = field is null ? "missing" : Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)!;
            Differ($"{name}.{constant}", actual, pair[1]!.ToJsonString(), differences, ref compared);
        }
    }

    static void CompareConstant(string name, string fact, List<string> differences, ref int compared)
    {
        string actual;
        if (typeof(QnnApi).GetField(name) is FieldInfo { IsLiteral: true } field)
        {
            actual = Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)!;
        }
        else if (typeof(QnnApi).GetProperty(name) is PropertyInfo property)
        {
            actual = Encoding.UTF8.GetString(property.GetMethod!.CreateDelegate<TextGetter>()());
        }
        else
        {
            actual = "missing";
        }
        string expected = fact.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? Convert.ToUInt64(fact, 16).ToString(CultureInfo.InvariantCulture)
            : fact.Trim('"');
        Differ(name, actual, expected, differences, ref compared);
    }

    static void Differ<T>(string what, T actual, T expected, List<string> differences, ref int compared)
    {
        compared++;
        if (!EqualityComparer<T>.Default.Equals(actual, expected))
        {
            differences.Add($"{what}: the bindings have {actual}, the facts {expected}");
        }
    }

    delegate ReadOnlySpan<byte> TextGetter();

    /// <summary>How this process lays out a struct.</summary>
    static class Layout
    {
        /// <summary>Fields in order of declaration; those of an anonymous union stand for the union.</summary>
        public static List<(string Name, int Offset, int Size)> FieldsOf(Type type)
        {
            var fields = new List<(string, int, int)>();
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(f => f.MetadataToken))
            {
                int offset = OffsetOf(type, field);
                if (field.Name.StartsWith("Anonymous", StringComparison.Ordinal))
                {
                    fields.AddRange(FieldsOf(field.FieldType).Select(inner => (inner.Name, offset + inner.Offset, inner.Size)));
                }
                else
                {
                    fields.Add((field.Name, offset, SizeOf(field.FieldType)));
                }
            }
            return fields;
        }

        public static int SizeOf(Type type) => type.IsPointer || type.IsFunctionPointer ? IntPtr.Size : Generic(nameof(SizeOfT), type);

        public static int AlignmentOf(Type type) => Generic(nameof(AlignmentOfT), type);

        static int OffsetOf(Type type, FieldInfo field) => (int)System.Runtime.InteropServices.Marshal.OffsetOf(type, field.Name);

        static int Generic(string method, Type type) =>
            (int)typeof(Layout).GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic)!.MakeGenericMethod(type).Invoke(null, null)!;

        static int SizeOfT<T>() => Unsafe.SizeOf<T>();

        static int AlignmentOfT<T>()
            where T : struct
        {
            var probe = new AlignmentProbe<T> { First = 1 };
            return (int)Unsafe.ByteOffset(ref probe.First, ref Unsafe.As<T, byte>(ref probe.Second));
        }

        struct AlignmentProbe<T>
        {
            public byte First;
            public T Second;
        }
    }
}
