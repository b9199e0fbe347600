using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>The provider, its table, versions, the list of operators and the texts of statuses.</summary>
internal static unsafe class InterfaceChecks
{
    private static readonly string[] s_operators =
    [
        "Convert", "Dequantize", "ElementWiseAdd", "ElementWiseMultiply", "MatMul", "Quantize", "Reshape", "Softmax", "TopK", "Transpose",
    ];

    public static void Run(CheckRun run)
    {
        run.CheckLibrary("provider says who it is", Provider);
        run.CheckLibrary("functions of its version are there", Functions);
        run.Check("version equals the provider's", Version);
        run.Check("build id", BuildId);
        run.Check("operators", Operators);
        run.Check("texts of statuses", Texts);
        run.Check("verbose texts of statuses", VerboseTexts);
    }

    /// <summary>The backend's build id; empty if it does not say.</summary>
    public static string BuildIdOf(QnnLibrary library)
    {
        sbyte* id = null;
        return library.Table.backendGetBuildId != null && library.Table.backendGetBuildId(&id) == Expect.Success ? Text(id) : "";
    }

    private static string Text(sbyte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private static Verdict Provider(QnnLibrary library)
    {
        QnnProviderInfo info = library.Info;
        Expect.That(info.Name.Length > 0, "providerName: expected a name, actual none");
        Expect.That(info.CoreApiVersion >= QnnApiVersion.Oldest, $"core API: expected {QnnApiVersion.Oldest} or later, actual {info.CoreApiVersion}");
        return Verdict.Pass($"{info.Name}, backend id {info.BackendId}, core API {info.CoreApiVersion}, backend API {info.BackendApiVersion}");
    }

    private static Verdict Functions(QnnLibrary library)
    {
        IReadOnlyList<(string Name, nint Address)> slots = TableSlots.Of(library.Table);
        string[] missing = [.. slots.Take(library.FunctionCount).Where(slot => slot.Address == 0).Select(slot => slot.Name)];
        string[] required = [.. missing.Where(TableSlots.Required.Contains)];
        Expect.That(required.Length == 0, $"expected a function, actual null: {string.Join(", ", required)}");
        return missing.Length == 0
            ? Verdict.Pass($"{library.FunctionCount} functions")
            : Verdict.NotSupported($"null: {string.Join(", ", missing)}");
    }

    private static Verdict Version(RawClient client)
    {
        Qnn_ApiVersion_t version = default;
        Expect.Ok("backendGetApiVersion", client.Table.backendGetApiVersion(&version));
        QnnProviderInfo info = client.Library.Info;
        Expect.Equal("core API", info.CoreApiVersion.ToString(), Of(version.coreApiVersion));
        Expect.Equal("backend API", info.BackendApiVersion.ToString(), Of(version.backendApiVersion));
        Expect.Status("backendGetApiVersion of null", 4004, client.Table.backendGetApiVersion(null));
        return Verdict.Pass($"core {Of(version.coreApiVersion)}, backend {Of(version.backendApiVersion)}");

        static string Of(Qnn_Version_t v) => $"{v.major}.{v.minor}.{v.patch}";
    }

    private static Verdict BuildId(RawClient client)
    {
        sbyte* first = null;
        sbyte* second = null;
        Expect.Ok("backendGetBuildId", client.Table.backendGetBuildId(&first));
        Expect.Ok("backendGetBuildId", client.Table.backendGetBuildId(&second));
        string id = Text(first);
        Expect.That(id.Length > 0, "backendGetBuildId: expected a text, actual none");
        Expect.Equal("backendGetBuildId, second time", id, Text(second));
        Expect.Status("backendGetBuildId of null", 4004, client.Table.backendGetBuildId(null));
        return Verdict.Pass(id);
    }

    private static Verdict Operators(RawClient client)
    {
        RawClient.RequireOffered(client.Table.backendGetSupportedOperations, "backendGetSupportedOperations");
        uint count = 0;
        QnnBackend_OperationName_t* list = null;
        Expect.OkOrNotOffered("backendGetSupportedOperations", client.Table.backendGetSupportedOperations(client.Backend, &count, &list));
        Expect.That(count > 0 && list != null, $"backendGetSupportedOperations: expected a list, actual {count} operators");
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (uint i = 0; i < count; i++)
        {
            string name = Text(list[i].name);
            Expect.That(name.Length > 0, $"operator {i}: expected a name, actual none");
            names.Add(name);
        }

        string[] missing = [.. s_operators.Where(op => !names.Contains(op))];
        return missing.Length == 0
            ? Verdict.Pass($"{count} operators")
            : Verdict.NotSupported($"{count} operators, without {string.Join(", ", missing)}");
    }

    private static Verdict Texts(RawClient client)
    {
        RawClient.RequireOffered(client.Table.errorGetMessage, "errorGetMessage");
        foreach ((ulong status, string constant) in (ReadOnlySpan<(ulong, string)>)
            [(0, "QNN_SUCCESS"), (6004, "QNN_GRAPH_ERROR_INVALID_TENSOR"), (3110, "QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE")])
        {
            sbyte* text = null;
            Expect.Ok($"errorGetMessage of {status}", client.Table.errorGetMessage(status, &text));
            Expect.That(Text(text).Contains(constant, StringComparison.Ordinal),
                $"errorGetMessage of {status}: expected {constant}, actual '{Text(text)}'");
        }

        sbyte* none = null;
        Expect.Status("errorGetMessage of 123456, which is no status", 10001, client.Table.errorGetMessage(123456, &none));
        Expect.Status("errorGetMessage into null", 10000, client.Table.errorGetMessage(6004, null));
        return Verdict.Pass("constants' names");
    }

    private static Verdict VerboseTexts(RawClient client)
    {
        RawClient.RequireOffered(client.Table.errorGetVerboseMessage, "errorGetVerboseMessage");
        RawClient.RequireOffered(client.Table.errorFreeVerboseMessage, "errorFreeVerboseMessage");
        sbyte* text = null;
        Expect.OkOrNotOffered("errorGetVerboseMessage", client.Table.errorGetVerboseMessage(6004, &text));
        string copy = Text(text);
        Expect.Ok("errorFreeVerboseMessage", client.Table.errorFreeVerboseMessage(text));
        Expect.That(copy.Length > 0, "errorGetVerboseMessage: expected a text, actual none");
        return Verdict.Pass(copy);
    }
}
