using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A status code of the QNN API: the constant's name, the area it belongs to, its usual cause and the remedy.</summary>
/// <param name="Code">The number as the backend returned it.</param>
/// <param name="Name">The constant's name, for example <c>QNN_GRAPH_ERROR_INVALID_TENSOR</c>; empty if the API has none for it.</param>
/// <param name="Area">The API's area by code range: common, property, op package, backend, context, graph, tensor, ...</param>
/// <param name="Cause">What usually causes it; empty if unknown.</param>
/// <param name="Remedy">What to do about it; empty if unknown.</param>
public sealed record QnnStatus(ulong Code, string Name, string Area, string Cause, string Remedy)
{
    // The API keeps the code in the low 16 bits and leaves the rest to the backend.
    const ulong CodeMask = 0xFFFF;

    const int LongestLogLine = 300;

    /// <summary>Whether the call succeeded.</summary>
    public bool IsSuccess => Code == QnnApi.QNN_SUCCESS;

    /// <summary>Looks a code up; an unknown one gets its area and an empty name.</summary>
    public static QnnStatus FromCode(ulong code)
    {
        ulong known = Names.ByCode.ContainsKey(code) ? code : code & CodeMask;
        string name = Names.ByCode.GetValueOrDefault(known, "");
        (string cause, string remedy) = QnnStatusTexts.For(known);
        return new QnnStatus(code, name, AreaOf(known), cause, remedy);
    }

    /// <summary>All named error codes of the API, ascending.</summary>
    public static IReadOnlyList<ulong> KnownCodes => Names.Codes;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(Name.Length > 0 ? Name : "unknown status")} ({Code}, {Area})");

    internal static string ComposeMessage(string call, string? subject, QnnStatus status, IReadOnlyList<string> logLines)
    {
        var text = new StringBuilder(call);
        if (!string.IsNullOrEmpty(subject))
        {
            text.Append(" (").Append(subject).Append(')');
        }
        text.Append(" failed: ").Append(status).Append('.');
        if (status.Cause.Length > 0)
        {
            text.Append(" Usually: ").Append(status.Cause).Append('.');
        }
        if (status.Remedy.Length > 0)
        {
            text.Append(' ').Append(status.Remedy).Append('.');
        }
        if (logLines.Count > 0)
        {
            string last = logLines[^1];
            text.Append(" The backend logged: ").Append(last.AsSpan(0, Math.Min(last.Length, LongestLogLine)));
            text.Append(last.Length > LongestLogLine ? " ..." : "");
        }
        return text.ToString();
    }

    static string AreaOf(ulong code) => code switch
    {
        QnnApi.QNN_SUCCESS => "success",
        >= QnnApi.QNN_MIN_ERROR_COMMON and <= QnnApi.QNN_MAX_ERROR_COMMON => "common",
        >= QnnApi.QNN_MIN_ERROR_PROPERTY and <= QnnApi.QNN_MAX_ERROR_PROPERTY => "property",
        >= QnnApi.QNN_MIN_ERROR_OP_PACKAGE and <= QnnApi.QNN_MAX_ERROR_OP_PACKAGE => "op package",
        >= QnnApi.QNN_MIN_ERROR_BACKEND_SAVER and <= QnnApi.QNN_MAX_ERROR_BACKEND_SAVER => "saver",
        >= QnnApi.QNN_MIN_ERROR_BACKEND and <= QnnApi.QNN_MAX_ERROR_BACKEND => "backend",
        >= QnnApi.QNN_MIN_ERROR_CONTEXT and <= QnnApi.QNN_MAX_ERROR_CONTEXT => "context",
        >= QnnApi.QNN_MIN_ERROR_GRAPH and <= QnnApi.QNN_MAX_ERROR_GRAPH => "graph",
        >= QnnApi.QNN_MIN_ERROR_TENSOR and <= QnnApi.QNN_MAX_ERROR_TENSOR => "tensor",
        >= QnnApi.QNN_MIN_ERROR_MEM and <= QnnApi.QNN_MAX_ERROR_MEM => "memory",
        >= QnnApi.QNN_MIN_ERROR_SIGNAL and <= QnnApi.QNN_MAX_ERROR_SIGNAL => "signal",
        >= QnnApi.QNN_MIN_ERROR_ERROR and <= QnnApi.QNN_MAX_ERROR_ERROR => "error",
        >= QnnApi.QNN_MIN_ERROR_LOG and <= QnnApi.QNN_MAX_ERROR_LOG => "log",
        >= QnnApi.QNN_MIN_ERROR_PROFILE and <= QnnApi.QNN_MAX_ERROR_PROFILE => "profile",
        >= QnnApi.QNN_MIN_ERROR_PERF_INFRASTRUCTURE and <= QnnApi.QNN_MAX_ERROR_PERF_INFRASTRUCTURE => "power",
        >= QnnApi.QNN_MIN_ERROR_DEVICE and <= QnnApi.QNN_MAX_ERROR_DEVICE => "device",
        >= QnnApi.QNN_MIN_ERROR_GLOBAL_CONFIG and <= QnnApi.QNN_MAX_ERROR_GLOBAL_CONFIG => "global configuration",
        >= QnnApi.QNN_MIN_ERROR_SYSTEM and <= QnnApi.QNN_MAX_ERROR_SYSTEM => "system library",
        >= QnnApi.QNN_MIN_ERROR_INTERFACE and <= QnnApi.QNN_MAX_ERROR_INTERFACE => "interface",
        _ => "outside the API's ranges",
    };

    // Built on the first error only.
    static class Names
    {
        public static readonly FrozenDictionary<ulong, string> ByCode = Build();
        public static readonly ulong[] Codes = [.. ByCode.Keys.Where(code => code != 0).Order()];

        static FrozenDictionary<ulong, string> Build()
        {
            var names = new Dictionary<ulong, string> { [QnnApi.QNN_SUCCESS] = nameof(QnnApi.QNN_SUCCESS) };

            // The first to name a code wins: common names before the areas' own aliases of the same number.
            Add<QnnCommon_Error_t>(names);
            Add<QnnProperty_Error_t>(names);
            Add<QnnOpPackage_Error_t>(names);
            Add<QnnBackend_Error_t>(names);
            Add<QnnSaver_Error_t>(names);
            Add<QnnContext_Error_t>(names);
            Add<QnnGraph_Error_t>(names);
            Add<QnnTensor_Error_t>(names);
            Add<QnnMem_Error_t>(names);
            Add<QnnSignal_Error_t>(names);
            Add<QnnError_Error_t>(names);
            Add<QnnLog_Error_t>(names);
            Add<QnnProfile_Error_t>(names);
            Add<QnnHtpPerfInfrastructure_Error_t>(names);
            Add<QnnDevice_Error_t>(names);
            Add<QnnGlobalConfig_Error_t>(names);
            Add<QnnSystemCommon_Error_t>(names);
            Add<QnnSystemContext_Error_t>(names);
            Add<QnnSystemProfile_Error_t>(names);
            return names.ToFrozenDictionary();
        }

        static void Add<T>(Dictionary<ulong, string> names)
            where T : struct, Enum
        {
            string[] constants = Enum.GetNames<T>();
            foreach (string constant in constants)
            {
                bool isRangeMark = constant.EndsWith("MIN_ERROR", StringComparison.Ordinal)
                    || constant.EndsWith("MAX_ERROR", StringComparison.Ordinal)
                    || constant.EndsWith("MINERROR", StringComparison.Ordinal)
                    || constant.EndsWith("MAXERROR", StringComparison.Ordinal)
                    || constant.EndsWith("_UNDEFINED", StringComparison.Ordinal);
                if (!isRangeMark)
                {
                    names.TryAdd(Convert.ToUInt64(Enum.Parse<T>(constant), CultureInfo.InvariantCulture), constant);
                }
            }
        }
    }
}
