using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using static ShadowAttn.Tests.Cli.Conformance.BrokenBackend;

namespace ShadowAttn.Tests.Cli.Conformance;

/// <summary>Functions of a provider table that do what a wrong backend might do.</summary>
internal static unsafe class Breakages
{
    private static readonly byte[] s_shared = new byte[1 << 16];
    private static readonly Qnn_ApiVersion_t s_otherVersion = new() { coreApiVersion = new Qnn_Version_t { major = 2, minor = 19 } };
    private static readonly sbyte* s_wrongText = (sbyte*)Marshal.StringToCoTaskMemUTF8("something went wrong");

    private static ulong Execute(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal) =>
        Original.graphExecute(graph, inputs, inputCount, outputs, outputCount, profile, signal);

    private static Span<byte> Contents(Qnn_Tensor_t* tensor) =>
        new(tensor->Anonymous.v1.Anonymous.clientBuf.data, (int)tensor->Anonymous.v1.Anonymous.clientBuf.dataSize);

    private static bool IsNamed(Qnn_OpConfig_t node, string type) => Marshal.PtrToStringUTF8((nint)node.Anonymous.v1.typeName) == type;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ProductOffByTwo(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        if (status == 0 && inputCount == 2 && outputs->Anonymous.v1.dataType == Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8)
        {
            ref byte last = ref Contents(outputs)[^1];
            last = (byte)((sbyte)last > 0 ? last - 2 : last + 2);
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong TiesReversed(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        if (status == 0 && outputCount == 2)
        {
            int k = (int)outputs->Anonymous.v1.dimensions[outputs->Anonymous.v1.rank - 1];
            Span<uint> indices = MemoryMarshal.Cast<byte, uint>(Contents(outputs + 1));
            Span<byte> values = Contents(outputs);
            int bytes = values.Length / indices.Length;
            for (int i = 0; i < indices.Length;)
            {
                int last = i;
                while (last + 1 < indices.Length && (last + 1) % k != 0
                    && values.Slice((last + 1) * bytes, bytes).SequenceEqual(values.Slice(i * bytes, bytes)))
                {
                    last++;
                }
                indices[i..(last + 1)].Reverse();
                i = last + 1;
            }
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ExecutesUnfinalized(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        return status == 6023 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong OtherCodeForTensors(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        return status == 6004 ? 6000 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong TakesSmallBuffers(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        return status == 6004 && inputCount == 2 && outputs->Anonymous.v1.Anonymous.clientBuf.dataSize % 2 == 1 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong MatchesByOrder(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        if (inputCount == 2 && inputs[0].Anonymous.v1.id > inputs[1].Anonymous.v1.id)
        {
            Qnn_Tensor_t* ordered = stackalloc Qnn_Tensor_t[] { inputs[0], inputs[1] };
            ordered[0].Anonymous.v1.id = inputs[1].Anonymous.v1.id;
            ordered[1].Anonymous.v1.id = inputs[0].Anonymous.v1.id;
            return Execute(graph, ordered, 2, outputs, outputCount, profile, signal);
        }
        return Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong WritesBehindTheOutput(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        // Only where the byte behind is the client's too: behind a buffer of whole blocks is the allocator's.
        if (status == 0 && (nint)outputs->Anonymous.v1.Anonymous.clientBuf.data % 64 == 0 && Contents(outputs).Length % 64 != 0)
        {
            *((byte*)outputs->Anonymous.v1.Anonymous.clientBuf.data + Contents(outputs).Length) ^= 0xff;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong OneBufferForAllThreads(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        if (status == 0)
        {
            Span<byte> output = Contents(outputs);
            output.CopyTo(s_shared);
            Thread.Sleep(1);
            s_shared.AsSpan(0, output.Length).CopyTo(output);
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong OutputsReversed(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        if (status == 0)
        {
            Contents(outputs).Reverse();
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong FloatsOff(
        void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile, void* signal)
    {
        ulong status = Execute(graph, inputs, inputCount, outputs, outputCount, profile, signal);
        if (status == 0 && outputs->Anonymous.v1.dataType == Qnn_DataType_t.QNN_DATATYPE_FLOAT_32)
        {
            MemoryMarshal.Cast<byte, float>(Contents(outputs))[0] += 0.01f;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong NotifiesTwice(
        void* graph,
        Qnn_Tensor_t* inputs,
        uint inputCount,
        Qnn_Tensor_t* outputs,
        uint outputCount,
        void* profile,
        void* signal,
        delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void> notify,
        void* state)
    {
        ulong status = Original.graphExecuteAsync(graph, inputs, inputCount, outputs, outputCount, profile, signal, notify, state);
        if (status == 0)
        {
            notify(state, default);
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ValidatesEverything(void* backend, Qnn_OpConfig_t node)
    {
        ulong status = Original.backendValidateOpConfig(backend, node);
        return status == 3110 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong RefusesSignedProducts(void* backend, Qnn_OpConfig_t node)
    {
        ref Qnn_OpConfigV1_t v1 = ref node.Anonymous.v1;
        bool isSigned = IsNamed(node, "MatMul") && v1.numOfInputs == 2
            && v1.inputTensors[0].Anonymous.v1.dataType == Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8
            && v1.inputTensors[1].Anonymous.v1.dataType == Qnn_DataType_t.QNN_DATATYPE_UFIXED_POINT_8;
        return isSigned ? 3110 : Original.backendValidateOpConfig(backend, node);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong IgnoresBeta(void* graph, Qnn_OpConfig_t node)
    {
        if (IsNamed(node, "Softmax") && node.Anonymous.v1.numOfParams == 1)
        {
            node.Anonymous.v1.@params[0].Anonymous.scalarParam.Anonymous.floatValue = 1;
        }
        return Original.graphAddNode(graph, node);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong IgnoresTransposition(void* graph, Qnn_OpConfig_t node)
    {
        if (IsNamed(node, "MatMul"))
        {
            for (uint i = 0; i < node.Anonymous.v1.numOfParams; i++)
            {
                node.Anonymous.v1.@params[i].Anonymous.scalarParam.Anonymous.bool8Value = 0;
            }
        }
        return Original.graphAddNode(graph, node);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong FinalizesAgain(void* graph, void* profile, void* signal)
    {
        ulong status = Original.graphFinalize(graph, profile, signal);
        return status == 1000 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong RetrievesNothing(void* context, sbyte* name, void** graph)
    {
        ulong status = Original.graphRetrieve(context, name, graph);
        return status == 6003 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong AllTensorsOne(void* graph, Qnn_Tensor_t* tensor)
    {
        ulong status = Original.tensorCreateGraphTensor(graph, tensor);
        if (status == 0)
        {
            tensor->Anonymous.v1.id = 1;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong FreesAgain(void* context, void* profile)
    {
        ulong status = Original.contextFree(context, profile);
        return status == 5002 ? 0 : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong LoadsDamagedBinaries(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile)
    {
        ulong status = Original.contextCreateFromBinary(backend, device, config, binary, bytes, context, profile);
        return status is 30010 ? Original.contextCreate(backend, device, config, context) : status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong LoadsNothing(
        void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context, void* profile)
    {
        ulong status = Original.contextCreateFromBinary(backend, device, config, binary, bytes, context, profile);
        if (status == 0)
        {
            Original.contextFree(*context, null);
            return Original.contextCreate(backend, device, config, context);
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong NoEventsOfNodes(ulong id, ulong** events, uint* count)
    {
        ulong status = Original.profileGetSubEvents(id, events, count);
        *count = 0;
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong TimesInBytes(ulong id, QnnProfile_EventData_t* data)
    {
        ulong status = Original.profileGetEventData(id, data);
        if (status == 0 && data->unit == QnnApi.QNN_PROFILE_EVENTUNIT_MICROSEC)
        {
            data->unit = QnnApi.QNN_PROFILE_EVENTUNIT_BYTES;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong UnknownChip(void* log, QnnDevice_PlatformInfo_t** platform)
    {
        ulong status = Original.deviceGetPlatformInfo(log, platform);
        if (status == 0)
        {
            (*platform)->Anonymous.v1.hwDevices[0].Anonymous.v1.deviceInfoExtension->Anonymous.onChipDevice.arch = (QnnHtpDevice_Arch_t)12;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong NullLog(
        delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> callback, QnnLog_Level_t level, void** log)
    {
        ulong status = Original.logCreate(callback, level, log);
        if (status == 0)
        {
            Original.logFree(*log);
            *log = null;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong OtherVersion(Qnn_ApiVersion_t* version)
    {
        ulong status = Original.backendGetApiVersion(version);
        if (status == 0)
        {
            *version = s_otherVersion;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong WrongText(ulong status, sbyte** text)
    {
        ulong result = Original.errorGetMessage(status, text);
        if (result == 0)
        {
            *text = s_wrongText;
        }
        return result;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong HasEverything(uint property) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong HasNoSignals(uint property) => property == QnnApi.QNN_PROPERTY_GROUP_SIGNAL ? 1000 : Original.propertyHasCapability(property);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong NullMemory(void* context, Qnn_MemDescriptor_t* descriptors, uint count, void** handles)
    {
        ulong status = Original.memRegister(context, descriptors, count, handles);
        if (status == 0)
        {
            Original.memDeRegister(handles, count);
            *handles = null;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong LogsAtEveryLevel(void* log, QnnLog_Level_t level) => Original.logSetLogLevel(log, QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG);
}
