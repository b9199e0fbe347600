using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Binary;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the context area that write and read context binaries.</summary>
internal static unsafe class ContextBinaryCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinarySize(void* handle, ulong* bytes)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ContextObject? context))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.ContextGetBinarySize);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (bytes == null)
            {
                return Status.ContextInvalidArgument;
            }
            if (!IsFinalised(context))
            {
                return Status.ContextNotFinalized;
            }
            *bytes = fault.NullResult ? 0 : (ulong)Write(context).Length;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetBinary(void* handle, void* buffer, ulong bytes, ulong* written)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ContextObject? context))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.ContextGetBinary);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (buffer == null || written == null)
            {
                return Status.ContextInvalidArgument;
            }
            *written = 0;
            if (!IsFinalised(context))
            {
                return Status.ContextNotFinalized;
            }
            byte[] binary = Write(context);
            if ((ulong)binary.Length > bytes)
            {
                context.Backend.Error($"contextGetBinary: the binary has {binary.Length} bytes, the buffer {bytes}");
                return Status.ContextGetBinaryFailed;
            }
            if (!fault.NullResult)
            {
                binary.CopyTo(new Span<byte>(buffer, binary.Length));
                *written = (ulong)binary.Length;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinary(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile) =>
        Create(QnnCall.ContextCreateFromBinary, backend, device, config, binary, bytes, context, profile, signal: null);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateFromBinaryWithSignal(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile, void* signal) =>
        Create(QnnCall.ContextCreateFromBinaryWithSignal, backend, device, config, binary, bytes, context, profile, signal);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ValidateBinary(void* backendHandle, void* device, QnnContext_Config_t** config, void* binary, ulong bytes)
    {
        try
        {
            if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.ContextValidateBinary);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (binary == null || bytes == 0)
            {
                return Status.ContextInvalidArgument;
            }
            return Read(backend, binary, bytes, out ContextBinary? _);
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    static ulong Create(
        QnnCall call,
        void* backendHandle,
        void* device,
        QnnContext_Config_t** config,
        void* binary,
        ulong bytes,
        void** context,
        void* profile,
        void* signal)
    {
        try
        {
            if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
            {
                return Status.ContextInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(call);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (binary == null || bytes == 0 || context == null)
            {
                return Status.ContextInvalidArgument;
            }
            *context = null;
            if (fault.NullResult)
            {
                return Status.Success;
            }
            if (!Attachments.TryEnter(profile, signal, out Attachments attached, out ulong refused))
            {
                return refused == Status.GraphSignalInUse ? refused : Status.ContextInvalidArgument;
            }
            using var __ = attached;
            long start = Clock.Now();
            ulong status = Read(backend, binary, bytes, out ContextBinary? contents);
            if (contents is null)
            {
                return status;
            }
            status = ContextCalls.Make(backend, device, config, out ContextObject? made);
            if (made is null)
            {
                return status;
            }
            bool whole = false;
            try
            {
                string? refusal = Compose(made, contents);
                whole = refusal is null;
                if (refusal is not null)
                {
                    backend.Error($"context binary: {refusal}");
                    return Status.BinaryMalformed;
                }
            }
            finally
            {
                if (!whole)
                {
                    made.Close();
                }
            }
            *context = (void*)made.Handle;
            if (attached.Profile is not null)
            {
                ExecutionEvents.RecordLoad(attached.Profile, Clock.Now() - start);
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    static ulong Read(BackendObject backend, void* binary, ulong bytes, out ContextBinary? contents)
    {
        contents = null;
        switch (BinaryLayout.Examine(new ReadOnlySpan<byte>(binary, (int)Math.Min(bytes, int.MaxValue)), out ReadOnlySpan<byte> body))
        {
            case BinaryState.Foreign:
                backend.Error("context binary: it is none of this backend");
                return Status.BinaryForeign;
            case BinaryState.OtherVersion:
                backend.Error("context binary: its format has another version");
                return Status.ContextBinaryVersion;
            case BinaryState.Damaged:
                backend.Error("context binary: it is cut short or its checksum is wrong");
                return Status.BinaryMalformed;
        }
        contents = ContextBinary.Read(body);
        if (contents is null)
        {
            backend.Error("context binary: its contents make no sense");
            return Status.BinaryMalformed;
        }
        return Status.Success;
    }

    /// <summary>Composes and finalises every graph of a binary; what is wrong, or null.</summary>
    static string? Compose(ContextObject context, ContextBinary contents)
    {
        foreach (BinaryGraph stored in contents.Graphs)
        {
            if (context.EnabledGraphs is { } enabled && !enabled.Contains(stored.Name))
            {
                continue;
            }
            var graph = new GraphObject(context, stored.Name) { HalfPrecision = stored.HalfPrecision };
            HandleTable.Add(graph);
            if (!context.TryAdd(graph))
            {
                graph.Close();
                return $"two graphs '{stored.Name}'";
            }
            foreach (TensorInfo tensor in stored.Tensors)
            {
                if (graph.AddTensor(tensor, out string refusal, keepId: true) != Status.Success)
                {
                    return refusal;
                }
            }
            foreach (BinaryNode node in stored.Nodes)
            {
                TensorInfo?[] inputs = Array.ConvertAll(node.Inputs, graph.FindTensor);
                TensorInfo?[] outputs = Array.ConvertAll(node.Outputs, graph.FindTensor);
                if (Operator.Find(node.TypeName) is not { } op || Array.IndexOf(inputs, null) >= 0 || Array.IndexOf(outputs, null) >= 0)
                {
                    return $"node '{node.Name}' of graph '{stored.Name}': unknown operator or tensor";
                }
                var call = new OpCall
                {
                    Name = node.Name,
                    TypeName = node.TypeName,
                    Parameters = node.Parameters,
                    Inputs = inputs!,
                    Outputs = outputs!,
                };
                if (graph.AddNode(call, op, out string refusal) != Status.Success)
                {
                    return refusal;
                }
            }
            if (graph.Finalize(out string reason) != Status.Success)
            {
                return reason;
            }
        }
        return null;
    }

    static byte[] Write(ContextObject context) =>
        ContextBinary.Of(context, Marshal.PtrToStringUTF8((nint)ProviderTable.BuildId)!).Write();

    static bool IsFinalised(ContextObject context)
    {
        GraphObject[] graphs = context.Graphs();
        return graphs.Length > 0 && Array.TrueForAll(graphs, graph => graph.Plan is not null);
    }
}
