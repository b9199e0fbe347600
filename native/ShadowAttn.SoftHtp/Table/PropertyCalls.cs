using ShadowAttn.SoftHtp.Objects;
using static ShadowAttn.Interop.Qnn.QnnApi;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>What this backend says it can do.</summary>
internal static class PropertyCalls
{
    internal static ulong HasCapability(SoftHtpInstance? instance, uint key)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.PropertyHasCapability) ?? default;
        if (fault.Fails)
        {
            return fault.Code;
        }
        return Supported.Contains(key) ? Status.Success
            : Known.Contains(key) ? Status.NotSupported
            : Status.UnknownProperty;
    }

    /// <summary>Keys answered with yes.</summary>
    static readonly HashSet<uint> Supported =
    [
        QNN_PROPERTY_GROUP_CORE, QNN_PROPERTY_GROUP_BACKEND, QNN_PROPERTY_BACKEND_SUPPORT_COMPOSITION,
        QNN_PROPERTY_GROUP_CONTEXT, QNN_PROPERTY_CONTEXT_SUPPORT_CONFIGURATION,
        QNN_PROPERTY_GROUP_GRAPH, QNN_PROPERTY_GRAPH_SUPPORT_CONFIG, QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE,
        QNN_PROPERTY_GRAPH_SUPPORT_PRIORITY_CONTROL, QNN_PROPERTY_GRAPH_SUPPORT_ONLINE_PREPARE,
        QNN_PROPERTY_GROUP_TENSOR, QNN_PROPERTY_TENSOR_SUPPORT_QUANTIZATION_ENCODING_SCALE_OFFSET,
        QNN_PROPERTY_GROUP_ERROR, QNN_PROPERTY_ERROR_GET_VERBOSE_MESSAGE,
        QNN_PROPERTY_GROUP_LOG, QNN_PROPERTY_LOG_SUPPORTS_DEFAULT_STREAM,
        QNN_PROPERTY_GROUP_DEVICE,
    ];

    /// <summary>Every key of API 2.32.</summary>
    static readonly HashSet<uint> Known = BuildKnown();

    static HashSet<uint> BuildKnown()
    {
        var known = new HashSet<uint>(Supported);
        // First and last key of each group.
        foreach ((uint first, uint last) in (ReadOnlySpan<(uint, uint)>)
            [(101, 101), (105, 108), (201, 202), (205, 222), (301, 323), (401, 404), (501, 532), (1001, 1002), (1101, 1104),
             (1201, 1203), (1301, 1302), (1401, 1405), (1501, 1502), (2001, 2002)])
        {
            for (uint key = first; key <= last; key++)
            {
                known.Add(key);
            }
        }
        return known;
    }
}
