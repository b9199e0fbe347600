using System.Globalization;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>Unit of a profiling value.</summary>
public enum QnnProfileUnit
{
    /// <summary>Microseconds.</summary>
    Microseconds = QnnApi.QNN_PROFILE_EVENTUNIT_MICROSEC,

    /// <summary>Bytes.</summary>
    Bytes = QnnApi.QNN_PROFILE_EVENTUNIT_BYTES,

    /// <summary>Processor cycles of the device.</summary>
    Cycles = QnnApi.QNN_PROFILE_EVENTUNIT_CYCLES,

    /// <summary>A number of things.</summary>
    Count = QnnApi.QNN_PROFILE_EVENTUNIT_COUNT,

    /// <summary>An object of the backend's own.</summary>
    Object = QnnApi.QNN_PROFILE_EVENTUNIT_OBJECT,

    /// <summary>No unit.</summary>
    None = QnnApi.QNN_PROFILE_EVENTUNIT_NONE,

    /// <summary>A unit of the backend's own.</summary>
    Backend = QnnApi.QNN_PROFILE_EVENTUNIT_BACKEND,
}

/// <summary>A profiling event.</summary>
/// <param name="Type">The API's or the backend's number for what was measured.</param>
/// <param name="TypeName">That in words; empty for numbers that neither the API nor HTP name.</param>
/// <param name="Unit">Unit of the value.</param>
/// <param name="Value">The measured value.</param>
/// <param name="Identifier">What the backend calls it, for nodes with their name; may be empty.</param>
/// <param name="Events">Events within it, for example one for each node.</param>
public sealed record QnnProfileRecord(uint Type, string TypeName, QnnProfileUnit Unit, ulong Value, string Identifier,
    IReadOnlyList<QnnProfileRecord> Events)
{
    /// <summary>Whether it is about one node.</summary>
    public bool IsNode => Type == QnnApi.QNN_PROFILE_EVENTTYPE_NODE;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(TypeName.Length > 0 ? TypeName : $"event {Type}")}{(Identifier.Length > 0 ? $" '{Identifier}'" : "")}: {Value} {Unit}");

    internal static QnnProfileUnit UnitOf(uint unit) => unit switch
    {
        QnnApi.QNN_PROFILE_EVENTUNIT_MICROSEC => QnnProfileUnit.Microseconds,
        QnnApi.QNN_PROFILE_EVENTUNIT_BYTES => QnnProfileUnit.Bytes,
        QnnApi.QNN_PROFILE_EVENTUNIT_CYCLES => QnnProfileUnit.Cycles,
        QnnApi.QNN_PROFILE_EVENTUNIT_COUNT => QnnProfileUnit.Count,
        QnnApi.QNN_PROFILE_EVENTUNIT_OBJECT => QnnProfileUnit.Object,
        QnnApi.QNN_PROFILE_EVENTUNIT_NONE => QnnProfileUnit.None,
        _ => QnnProfileUnit.Backend,
    };

    internal static string NameOf(uint type) => type switch
    {
        QnnApi.QNN_PROFILE_EVENTTYPE_INIT => "init",
        QnnApi.QNN_PROFILE_EVENTTYPE_FINALIZE => "finalize",
        QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE => "execute",
        QnnApi.QNN_PROFILE_EVENTTYPE_NODE => "node",
        QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE_QUEUE_WAIT => "execute: waiting in the queue",
        QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE_PREPROCESS => "execute: before the device",
        QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE_DEVICE => "execute: on the device",
        QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE_POSTPROCESS => "execute: after the device",
        QnnApi.QNN_PROFILE_EVENTTYPE_DEINIT => "deinit",
        QnnApi.QNN_PROFILE_EVENTTYPE_TRACE => "trace",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_CONTEXT_LOAD_BIN_HOST_RPC_TIME_MICROSEC => "load binary: host RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_CONTEXT_LOAD_BIN_HTP_RPC_TIME_MICROSEC => "load binary: HTP RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_CONTEXT_LOAD_BIN_ACCEL_TIME_MICROSEC => "load binary: accelerator",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_FINALIZE_HOST_RPC_TIME_MICROSEC => "finalize: host RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_FINALIZE_HTP_RPC_TIME_MICROSEC => "finalize: HTP RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_FINALIZE_ACCEL_TIME_MICROSEC => "finalize: accelerator",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_HOST_RPC_TIME_MICROSEC => "execute: host RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_HTP_RPC_TIME_MICROSEC => "execute: HTP RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_TIME_CYCLE => "execute: accelerator cycles",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_TIME_MICROSEC => "execute: accelerator",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_MISC_ACCEL_TIME_MICROSEC => "execute: accelerator, other",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_VTCM_ACQUIRE_TIME => "execute: waiting for VTCM",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_RESOURCE_POWER_UP_TIME => "execute: powering up",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_EXCL_WAIT_TIME_MICROSEC => "execute: accelerator without waits",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_NUMBER_OF_HVX_THREADS => "HVX threads",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_DEINIT_HOST_RPC_TIME_MICROSEC => "deinit: host RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_DEINIT_HTP_RPC_TIME_MICROSEC => "deinit: HTP RPC",
        QnnApi.QNN_HTP_PROFILE_EVENTTYPE_GRAPH_DEINIT_ACCEL_TIME_MICROSEC => "deinit: accelerator",
        _ => "",
    };
}
