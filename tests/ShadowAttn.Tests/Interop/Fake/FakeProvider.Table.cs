using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Tests.Interop.Fake;

/// <summary>The functions of the table.</summary>
sealed unsafe partial class FakeProvider
{
    static readonly nint BuildId = Marshal.StringToCoTaskMemUTF8("fake build 7");
    static readonly nint EventName = Marshal.StringToCoTaskMemUTF8("MatMul_0");
    static readonly ulong* Events = (ulong*)NativeMemory.Alloc(3, sizeof(ulong));
    static readonly QnnHtpDevice_Infrastructure_t* Infrastructure = BuildInfrastructure();

    public List<QnnHtpPerfInfrastructure_PowerConfig_t> PowerConfigs { get; } = [];

    static void FillTable(ref QnnInterface_ImplementationV2_32_t table)
    {
        // A client that calls what it should not have would jump to address 1.
        fixed (void* slots = &table)
        {
            new Span<nint>(slots, sizeof(QnnInterface_ImplementationV2_32_t) / sizeof(nint)).Fill(1);
        }
        table.propertyHasCapability = &HasCapability;
        table.logCreate = &LogCreate;
        table.logFree = &LogFree;
        table.logSetLogLevel = &LogSetLevel;
        table.backendCreate = &BackendCreate;
        table.backendFree = &BackendFree;
        table.backendGetBuildId = &BackendGetBuildId;
        table.backendValidateOpConfig = &Validate;
        table.deviceCreate = &DeviceCreate;
        table.deviceFree = &DeviceFree;
        table.deviceGetPlatformInfo = &GetPlatformInfo;
        table.deviceFreePlatformInfo = &FreePlatformInfo;
        table.deviceGetInfrastructure = &GetInfrastructure;
        table.contextCreate = &ContextCreate;
        table.contextCreateFromBinary = &ContextCreateFromBinary;
        table.contextGetBinarySize = &ContextGetBinarySize;
        table.contextGetBinary = &ContextGetBinary;
        table.contextFree = &ContextFree;
        table.graphCreate = &GraphCreate;
        table.graphAddNode = &GraphAddNode;
        table.graphFinalize = &GraphFinalize;
        table.graphRetrieve = &GraphRetrieve;
        table.graphExecute = &GraphExecute;
        table.graphExecuteAsync = &GraphExecuteAsync;
        table.tensorCreateGraphTensor = &TensorCreate;
        table.memRegister = &MemRegister;
        table.memDeRegister = &MemDeRegister;
        table.profileCreate = &ProfileCreate;
        table.profileFree = &ProfileFree;
        table.profileGetEvents = &ProfileGetEvents;
        table.profileGetSubEvents = &ProfileGetSubEvents;
        table.profileGetEventData = &ProfileGetEventData;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong HasCapability(uint key) =>
        key == QnnApi.QNN_PROPERTY_CONTEXT_SUPPORT_CACHING ? 0 : (ulong)QnnProperty_Error_t.QNN_PROPERTY_ERROR_UNKNOWN_KEY;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong LogCreate(delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> callback, QnnLog_Level_t level, void** log)
    {
        s_current!.LogCallback = callback;
        return Create($"logCreate {level}", log);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong LogFree(void* log) => Free("logFree", log);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong LogSetLevel(void* log, QnnLog_Level_t level) => Enter($"logSetLogLevel {level}");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong BackendCreate(void* log, QnnBackend_Config_t** config, void** backend) => Create("backendCreate", backend);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong BackendFree(void* backend) => Free("backendFree", backend);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong BackendGetBuildId(sbyte** id)
    {
        *id = (sbyte*)BuildId;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong Validate(void* backend, Qnn_OpConfig_t op) => Enter("backendValidateOpConfig");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong DeviceCreate(void* log, QnnDevice_Config_t** config, void** device) => Create("deviceCreate", device);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong DeviceFree(void* device) => Free("deviceFree", device);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetPlatformInfo(void* log, QnnDevice_PlatformInfo_t** info)
    {
        ulong status = Enter("deviceGetPlatformInfo");
        if (status == 0)
        {
            var platform = (QnnDevice_PlatformInfo_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnDevice_PlatformInfo_t));
            platform->version = QnnDevice_PlatformInfoVersion_t.QNN_DEVICE_PLATFORM_INFO_VERSION_1;
            platform->v1.numHwDevices = 2;
            platform->v1.hwDevices = (QnnDevice_HardwareDeviceInfo_t*)NativeMemory.AllocZeroed(2, (nuint)sizeof(QnnDevice_HardwareDeviceInfo_t));
            for (uint i = 0; i < 2; i++)
            {
                var device = &platform->v1.hwDevices[i];
                device->version = QnnDevice_HardwareDeviceInfoVersion_t.QNN_DEVICE_HARDWARE_DEVICE_INFO_VERSION_1;
                device->v1.deviceId = 3 + i;
                device->v1.numCores = 1;
                device->v1.deviceInfoExtension =
                    (QnnHtpDevice_DeviceInfoExtension_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnHtpDevice_DeviceInfoExtension_t));
                device->v1.deviceInfoExtension->onChipDevice.socModel = 57;
                device->v1.deviceInfoExtension->onChipDevice.vtcmSize = 8;
                device->v1.deviceInfoExtension->onChipDevice.arch = QnnHtpDevice_Arch_t.QNN_HTP_DEVICE_ARCH_V75;
            }
            *info = platform;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong FreePlatformInfo(void* log, QnnDevice_PlatformInfo_t* info)
    {
        for (uint i = 0; i < info->v1.numHwDevices; i++)
        {
            NativeMemory.Free(info->v1.hwDevices[i].v1.deviceInfoExtension);
        }
        NativeMemory.Free(info->v1.hwDevices);
        NativeMemory.Free(info);
        return Enter("deviceFreePlatformInfo");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetInfrastructure(QnnHtpDevice_Infrastructure_t** infrastructure)
    {
        *infrastructure = Infrastructure;
        return Enter("deviceGetInfrastructure");
    }

    static QnnHtpDevice_Infrastructure_t* BuildInfrastructure()
    {
        var infrastructure = (QnnHtpDevice_Infrastructure_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnHtpDevice_Infrastructure_t));
        infrastructure->infraType = QnnHtpDevice_InfrastructureType_t.QNN_HTP_DEVICE_INFRASTRUCTURE_TYPE_PERF;
        infrastructure->perfInfra.createPowerConfigId = &CreatePowerConfigId;
        infrastructure->perfInfra.setPowerConfig = &SetPowerConfig;
        infrastructure->perfInfra.destroyPowerConfigId = &DestroyPowerConfigId;
        return infrastructure;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreatePowerConfigId(uint device, uint core, uint* id)
    {
        *id = (uint)s_current!.NewHandle();
        return Enter("createPowerConfigId");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong SetPowerConfig(uint id, QnnHtpPerfInfrastructure_PowerConfig_t** configs)
    {
        for (; *configs != null; configs++)
        {
            s_current!.PowerConfigs.Add(**configs);
        }
        return Enter("setPowerConfig");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong DestroyPowerConfigId(uint id) => Free("destroyPowerConfigId", (void*)id);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ContextCreate(void* backend, void* device, QnnContext_Config_t** config, void** context) => Create("contextCreate", context);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ContextCreateFromBinary(void* backend, void* device, QnnContext_Config_t** config, void* binary, ulong bytes, void** context,
        void* profile) => Create("contextCreateFromBinary", context);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ContextGetBinarySize(void* context, ulong* bytes)
    {
        *bytes = s_current!.ClaimedBinaryBytes;
        return Enter("contextGetBinarySize");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ContextGetBinary(void* context, void* target, ulong bytes, ulong* written)
    {
        byte[] binary = s_current!.Binary;
        binary.AsSpan(0, Math.Min(binary.Length, (int)bytes)).CopyTo(new Span<byte>(target, (int)bytes));
        *written = (ulong)binary.Length;
        return Enter("contextGetBinary");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ContextFree(void* context, void* profile) => Free("contextFree", context);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphCreate(void* context, sbyte* name, QnnGraph_Config_t** config, void** graph)
    {
        for (; config != null && *config != null; config++)
        {
            s_current!.GraphConfigs.Add(Describe(*config));
        }
        ulong status = Enter("graphCreate");
        *graph = status != 0 || s_current!.ReturnsNull.Contains("graphCreate") ? null : (void*)7;
        return status;
    }

    static string Describe(QnnGraph_Config_t* config)
    {
        if (config->option != QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_CUSTOM)
        {
            return $"{config->option} {config->priority}";
        }
        var custom = (QnnHtpGraph_CustomConfig_t*)config->customConfig;
        return custom->option switch
        {
            QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_PRECISION => $"precision {custom->precision}",
            QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_NUM_HVX_THREADS => $"threads {custom->numHvxThreads}",
            QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_OPTIMIZATION =>
                $"{custom->optimizationOption.type} {custom->optimizationOption.floatValue}",
            _ => $"vtcm {custom->vtcmSizeInMB}",
        };
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphAddNode(void* graph, Qnn_OpConfig_t op) => Enter("graphAddNode");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphFinalize(void* graph, void* profile, void* signal) => Enter("graphFinalize");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphRetrieve(void* context, sbyte* name, void** graph)
    {
        *graph = s_current!.ReturnsNull.Contains("graphRetrieve") ? null : (void*)8;
        return Enter("graphRetrieve");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphExecute(void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile,
        void* signal) => Execute("graphExecute", inputs, inputCount, outputs, outputCount);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GraphExecuteAsync(void* graph, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount, void* profile,
        void* signal, delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void> notify, void* parameter)
    {
        ulong accepted = Enter("graphExecuteAsync");
        if (accepted == 0)
        {
            var address = (nint)notify;
            var argument = (nint)parameter;
            var ins = (nint)inputs;
            var outs = (nint)outputs;
            ThreadPool.QueueUserWorkItem(_ =>
            {
                s_current!.HoldExecution?.Wait();
                ulong status = Execute("execution", (Qnn_Tensor_t*)ins, inputCount, (Qnn_Tensor_t*)outs, outputCount);
                ((delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void>)address)((void*)argument, new Qnn_NotifyStatus_t { error = status });
            });
        }
        return accepted;
    }

    static ulong Execute(string call, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount)
    {
        ulong status = s_current!.Fails.Count == 0 && s_current.Logs.Count == 0 ? 0 : Enter(call);
        s_current.LastExecution.Clear();
        for (uint i = 0; i < inputCount + outputCount; i++)
        {
            Qnn_TensorV1_t tensor = i < inputCount ? inputs[i].v1 : outputs[i - inputCount].v1;
            s_current.LastExecution.Add((tensor.id, tensor.memType,
                tensor.memType == Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW ? (nint)tensor.clientBuf.data : (nint)tensor.memHandle,
                tensor.clientBuf.dataSize));
        }
        if (inputs[0].v1.memType == Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW && outputs[0].v1.memType == Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW)
        {
            uint bytes = Math.Min(inputs[0].v1.clientBuf.dataSize, outputs[0].v1.clientBuf.dataSize);
            NativeMemory.Copy(inputs[0].v1.clientBuf.data, outputs[0].v1.clientBuf.data, bytes);
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong TensorCreate(void* graph, Qnn_Tensor_t* tensor)
    {
        tensor->v1.id = (uint)Interlocked.Increment(ref s_nextHandle);
        return Enter("tensorCreateGraphTensor");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong MemRegister(void* context, Qnn_MemDescriptor_t* descriptors, uint count, void** handles) =>
        Create($"memRegister {descriptors->memType} fd {(descriptors->memType == Qnn_MemType_t.QNN_MEM_TYPE_ION ? descriptors->ionInfo.fd : descriptors->dmaBufInfo.fd)}", handles);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong MemDeRegister(void** handles, uint count) => Free("memDeRegister", *handles);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ProfileCreate(void* backend, uint level, void** profile) => Create($"profileCreate {level}", profile);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ProfileFree(void* profile) => Free("profileFree", profile);

    // Event 1 has events 2 and 3 within it.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ProfileGetEvents(void* profile, ulong** events, uint* count)
    {
        (Events[0], Events[1], Events[2]) = (1, 2, 3);
        *events = Events;
        *count = 1;
        return Enter("profileGetEvents");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ProfileGetSubEvents(ulong parent, ulong** events, uint* count)
    {
        *events = Events + 1;
        *count = parent == 1 ? 2u : 0u;
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ProfileGetEventData(ulong id, QnnProfile_EventData_t* data)
    {
        *data = id == 1
            ? new QnnProfile_EventData_t { type = QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE, unit = QnnApi.QNN_PROFILE_EVENTUNIT_MICROSEC, value = 120 }
            : new QnnProfile_EventData_t
            {
                type = QnnApi.QNN_PROFILE_EVENTTYPE_NODE,
                unit = QnnApi.QNN_PROFILE_EVENTUNIT_CYCLES,
                value = 1000 * id,
                identifier = (sbyte*)EventName,
            };
        return 0;
    }
}
