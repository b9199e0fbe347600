using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the context area that make, configure and free contexts.</summary>
internal static unsafe class ContextCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Create(void* backendHandle, void* deviceHandle, QnnContext_Config_t** config, void** context)
    {
        try
        {
            if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.ContextCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (context == null)
            {
                return Status.ContextInvalidArgument;
            }
            if (fault.NullResult)
            {
                *context = null;
                return Status.Success;
            }
            ulong status = Make(backend, deviceHandle, config, out ContextObject? made);
            if (made is not null)
            {
                *context = (void*)made.Handle;
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    /// <summary>A new context of <paramref name="backend"/> with its handle; null when the status is not 0.</summary>
    internal static ulong Make(BackendObject backend, void* deviceHandle, QnnContext_Config_t** config, out ContextObject? made)
    {
        made = null;
        DeviceObject? device = null;
        if (deviceHandle != null)
        {
            if (!HandleTable.TryEnter(deviceHandle, out device))
            {
                backend.Error("contextCreate: the device handle is not valid");
                return Status.ContextInvalidHandle;
            }
            device.Exit();
        }
        var context = new ContextObject(backend, device);
        ulong status = ContextConfig.Apply(context, config);
        if (status != Status.Success)
        {
            context.Discard();
            return status;
        }
        HandleTable.Add(context);
        if (!backend.Adopt(context) || device?.Adopt(context) == false)
        {
            context.Close();
            return Status.ContextInvalidHandle;
        }
        made = context;
        return Status.Success;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnContext_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ContextObject? context))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.ContextSetConfig);
            if (fault.Fails)
            {
                return fault.Code;
            }
            return config == null ? Status.ContextInvalidArgument : ContextConfig.Apply(context, config);
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle, void* profile)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ContextObject? context))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.ContextFree);
            if (!Attachments.TryEnterProfile(profile, out ProfileObject? recorder))
            {
                return Status.ContextSetProfile;
            }
            long start = Clock.Now();
            bool closed = context.Close();
            if (recorder is not null)
            {
                ExecutionEvents.RecordFree(recorder, Clock.Now() - start);
                recorder.Exit();
            }
            return closed ? fault.Code : Status.ContextInvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}

/// <summary>Reads context configurations. Options that only tune a real NPU are accepted and have no effect.</summary>
internal static unsafe class ContextConfig
{
    internal static ulong Apply(ContextObject context, QnnContext_Config_t** config)
    {
        for (int i = 0; config != null && config[i] != null; i++)
        {
            QnnContext_Config_t* entry = config[i];
            if (entry->option == QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_OPTION_PRIORITY)
            {
                context.Priority = entry->Anonymous.priority;
            }
            else if (entry->option == QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_ASYNC_EXECUTION_QUEUE_DEPTH)
            {
                if (entry->Anonymous.asyncExeQueueDepth.type
                    != QnnContext_AsyncExecutionQueueDepthType_t.QNN_CONTEXT_ASYNC_EXECUTION_QUEUE_DEPTH_TYPE_NUMERIC)
                {
                    return Status.ContextInvalidConfig;
                }
                context.AsyncDepth = (int)Math.Clamp(entry->Anonymous.asyncExeQueueDepth.Anonymous.depth, 1, 1_000_000);
            }
            else if (entry->option == QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_ENABLE_GRAPHS)
            {
                context.EnabledGraphs = ReadNames(entry->Anonymous.enableGraphs);
            }
            else if ((uint)entry->option > (uint)QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_GRAPH_RETENTION_ORDER)
            {
                context.Backend.Error($"context: configuration option {(uint)entry->option} is not supported");
                return Status.ContextInvalidConfig;
            }
        }
        return Status.Success;
    }

    /// <summary>A null-terminated list of names; a null list names none that is left out.</summary>
    static HashSet<string>? ReadNames(sbyte** names)
    {
        if (names == null)
        {
            return null;
        }
        var read = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; names[i] != null; i++)
        {
            read.Add(Marshal.PtrToStringUTF8((nint)names[i]) ?? "");
        }
        return read;
    }
}
