using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the graph area.</summary>
internal static unsafe class GraphCalls
{
    // More than any graph has; a larger count is a struct that was never filled in.
    const uint MostTensors = 65536;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Create(void* contextHandle, sbyte* name, QnnGraph_Config_t** config, void** graph)
    {
        try
        {
            if (!HandleTable.TryEnter(contextHandle, out ContextObject? context))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.GraphCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (graph == null)
            {
                return Status.GraphInvalidArgument;
            }
            if (fault.NullResult)
            {
                *graph = null;
                return Status.Success;
            }
            if (name == null)
            {
                context.Backend.Error("graphCreate: the name is null");
                return Status.GraphInvalidName;
            }
            var created = new GraphObject(context, Marshal.PtrToStringUTF8((nint)name) ?? "");
            ulong status = GraphConfig.Apply(created, config);
            if (status != Status.Success)
            {
                created.Discard();
                return status;
            }
            void* handle = HandleTable.Add(created);
            if (!context.TryAdd(created))
            {
                context.Backend.Error($"graphCreate: the context has a graph '{created.Name}' already");
                created.Close();
                return context.IsClosed ? Status.GraphInvalidHandle : Status.GraphInvalidName;
            }
            *graph = handle;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnGraph_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.GraphSetConfig);
            if (fault.Fails)
            {
                return fault.Code;
            }
            return config == null ? Status.GraphInvalidArgument : GraphConfig.Apply(graph, config);
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong AddNode(void* handle, Qnn_OpConfig_t config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.GraphAddNode);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (graph.Plan is not null)
            {
                graph.Context.Backend.Error($"graphAddNode: graph '{graph.Name}' is finalised");
                return Status.General;
            }
            Operator? op = OpConfigReader.FindOperator(config, out string refusal);
            OpCall? call = op is null
                ? null
                : OpConfigReader.Read(
                    config,
                    (Qnn_Tensor_t* tensor, out string wrong) =>
                    {
                        TensorInfo? found = graph.FindTensor(tensor->Anonymous.v1.id);
                        wrong = found is null ? $"tensor with id {tensor->Anonymous.v1.id} is not of graph '{graph.Name}'" : "";
                        return found;
                    },
                    out refusal);
            if (call is null)
            {
                graph.Context.Backend.Error($"graphAddNode: {refusal}");
                return Status.GraphInvalidOpConfig;
            }
            ulong status = graph.AddNode(call, op!, out refusal);
            if (status != Status.Success)
            {
                graph.Context.Backend.Error($"graphAddNode: {refusal}");
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Finalize(void* handle, void* profile, void* signal)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.GraphFinalize);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (!Attachments.TryEnter(profile, signal, out Attachments attached, out ulong refused))
            {
                return refused;
            }
            using var __ = attached;
            long start = Clock.Now();
            ulong status = graph.Finalize(out string refusal);
            if (status != Status.Success)
            {
                graph.Context.Backend.Error($"graphFinalize: {refusal}");
            }
            else if (attached.Profile is not null)
            {
                ExecutionEvents.RecordFinalize(attached.Profile, Clock.Now() - start);
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Retrieve(void* contextHandle, sbyte* name, void** graph)
    {
        try
        {
            if (!HandleTable.TryEnter(contextHandle, out ContextObject? context))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.GraphRetrieve);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (name == null || graph == null)
            {
                return Status.GraphInvalidArgument;
            }
            string wanted = Marshal.PtrToStringUTF8((nint)name) ?? "";
            GraphObject? found = context.Find(wanted);
            if (found is null)
            {
                context.Backend.Error($"graphRetrieve: the context has no graph '{wanted}'");
                return Status.GraphInvalidName;
            }
            *graph = fault.NullResult ? null : (void*)found.Handle;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Execute(
        void* handle, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.GraphExecute);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (inputs == null || outputs == null || inputCount == 0 || outputCount == 0)
            {
                return Status.GraphInvalidArgument;
            }
            if (graph.Plan is not { } plan)
            {
                graph.Context.Backend.Error($"graphExecute: graph '{graph.Name}' is not finalised");
                return Status.GraphNotFinalized;
            }
            if (!Attachments.TryEnter(profile, signal, out Attachments attached, out ulong refused))
            {
                return refused;
            }
            using var __ = attached;
            return GraphExecution.Run(graph, plan, inputs, inputCount, outputs, outputCount, attached.Profile, attached.Signal);
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ExecuteAsync(
        void* handle,
        Qnn_Tensor_t* inputs,
        uint inputCount,
        Qnn_Tensor_t* outputs,
        uint outputCount,
        void* profile,
        void* signal,
        delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void> notify,
        void* notifyParameter)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.GraphInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.GraphExecuteAsync);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (inputs == null || outputs == null || inputCount is 0 or > MostTensors || outputCount is 0 or > MostTensors)
            {
                return Status.GraphInvalidArgument;
            }
            if (graph.Plan is not { } plan)
            {
                graph.Context.Backend.Error($"graphExecuteAsync: graph '{graph.Name}' is not finalised");
                return Status.GraphNotFinalized;
            }
            if (!Attachments.TryEnter(profile, signal, out Attachments attached, out ulong refused))
            {
                return refused;
            }
            var job = new AsyncQueue.Job(
                graph,
                plan,
                new ReadOnlySpan<Qnn_Tensor_t>(inputs, (int)inputCount).ToArray(),
                new ReadOnlySpan<Qnn_Tensor_t>(outputs, (int)outputCount).ToArray(),
                attached.Profile,
                attached.Signal,
                notify,
                notifyParameter);
            if (!graph.TryEnter())
            {
                attached.Dispose();
                return Status.GraphInvalidHandle;
            }
            if (!graph.Context.Async.TryAdd(job, graph.Context.AsyncDepth))
            {
                graph.Exit();
                attached.Dispose();
                return Status.GraphAsyncFifoFull;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
