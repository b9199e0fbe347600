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
        QNN_PROPERTY_CONTEXT_SUPPORT_CACHING, QNN_PROPERTY_CONTEXT_SUPPORT_CONFIG_ENABLE_GRAPHS, QNN_PROPERTY_CONTEXT_SUPPORT_VALIDATE_BINARY,
        QNN_PROPERTY_GROUP_GRAPH, QNN_PROPERTY_GRAPH_SUPPORT_CONFIG, QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE,
        QNN_PROPERTY_GRAPH_SUPPORT_PRIORITY_CONTROL,
        QNN_PROPERTY_GRAPH_SUPPORT_SIGNALS, QNN_PROPERTY_GRAPH_SUPPORT_ASYNC_EXECUTION, QNN_PROPERTY_GRAPH_SUPPORT_FINALIZE_SIGNAL,
        QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE_SIGNAL, QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE_ASYNC_SIGNAL,
        QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE_PER_API_PROFILING, QNN_PROPERTY_CONTEXT_SUPPORT_CREATE_FROM_BINARY_WITH_SIGNALS,
        QNN_PROPERTY_GROUP_SIGNAL, QNN_PROPERTY_SIGNAL_SUPPORT_ABORT, QNN_PROPERTY_SIGNAL_SUPPORT_TIMEOUT,
        QNN_PROPERTY_GROUP_MEMORY, QNN_PROPERTY_MEMORY_SUPPORT_MEM_TYPE_ION, QNN_PROPERTY_MEMORY_SUPPORT_MEM_TYPE_CUSTOM,
        QNN_PROPERTY_MEMORY_SUPPORT_MEM_TYPE_DMA_BUF, QNN_PROPERTY_TENSOR_SUPPORT_MEMHANDLE_TYPE,
        QNN_PROPERTY_GROUP_PROFILE, QNN_PROPERTY_PROFILE_SUPPORT_MAX_EVENTS_CONFIG, QNN_PROPERTY_PROFILE_SUPPORTS_EXTENDED_EVENT, QNN_PROPERTY_GRAPH_SUPPORT_ONLINE_PREPARE,
        QNN_PROPERTY_GROUP_TENSOR, QNN_PROPERTY_TENSOR_SUPPORT_QUANTIZATION_ENCODING_SCALE_OFFSET,
        QNN_PROPERTY_GROUP_ERROR, QNN_PROPERTY_ERROR_GET_VERBOSE_MESSAGE,
        QNN_PROPERTY_GROUP_LOG, QNN_PROPERTY_LOG_SUPPORTS_DEFAULT_STREAM,
        QNN_PROPERTY_GROUP_DEVICE, QNN_PROPERTY_DEVICE_SUPPORT_INFRASTRUCTURE,
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
