using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>
/// A provider table of its own for one instance. Most calls carry a handle that leads to their instance; those that carry none
/// (create, version, properties, error texts) are bound here. A port outlives its instance and is used again for another, so that a
/// client which keeps the table too long gets a status and never runs into freed code.
/// </summary>
internal sealed unsafe class ProviderPort
{
    static readonly Lock Gate = new();
    static readonly Stack<ProviderPort> Idle = new();
    static readonly List<ProviderPort> All = [];

    readonly Delegate[] _bound;
    readonly QnnInterface_t** _list;
    volatile SoftHtpInstance? _instance;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong HasCapability(uint key);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong OnePointer(void* a);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong TwoPointers(void* a, void* b);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong ThreePointers(void* a, void* b, void* c);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong LogCreate(void* callback, QnnLog_Level_t level, void** log);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong GetMessage(ulong status, sbyte** message);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong CreatePower(uint device, uint core, uint* id);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong DestroyPower(uint id);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong SetPower(uint id, QnnHtpPerfInfrastructure_PowerConfig_t** config);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate ulong SetPowerMemory(uint device, uint core, QnnHtpPerfInfrastructure_MemoryConfig_t** config);

    ProviderPort()
    {
        var provider = (QnnInterface_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnInterface_t));
        _list = (QnnInterface_t**)NativeMemory.AllocZeroed((nuint)sizeof(QnnInterface_t*));
        *_list = provider;
        ProviderTable.Fill(provider);
        ref QnnInterface_ImplementationV2_32_t slots = ref provider->Anonymous.v2_32;

        HasCapability hasCapability = key => PropertyCalls.HasCapability(_instance, key);
        ThreePointers backendCreate = (log, config, backend) =>
            BackendCalls.Create(_instance, log, (QnnBackend_Config_t**)config, (void**)backend);
        OnePointer getApiVersion = version => BackendCalls.GetApiVersion(_instance, (Qnn_ApiVersion_t*)version);
        OnePointer getBuildId = id => BackendCalls.GetBuildId(_instance, (sbyte**)id);
        LogCreate logCreate = (callback, level, log) => LogCalls.Create(
            _instance, (delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void>)callback, level, log);
        ThreePointers deviceCreate = (log, config, device) =>
            DeviceCalls.Create(_instance, log, (QnnDevice_Config_t**)config, (void**)device);
        TwoPointers getPlatformInfo = (log, info) => DeviceCalls.GetPlatformInfo(_instance, log, (QnnDevice_PlatformInfo_t**)info);
        TwoPointers freePlatformInfo = (log, info) => DeviceCalls.FreePlatformInfo(_instance, log, (QnnDevice_PlatformInfo_t*)info);
        var own = (QnnHtpDevice_Infrastructure_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnHtpDevice_Infrastructure_t));
        OnePointer getInfrastructure = infrastructure =>
            DeviceCalls.GetInfrastructure(_instance, own, (QnnHtpDevice_Infrastructure_t**)infrastructure);
        GetMessage getMessage = (status, message) => ErrorCalls.GetMessage(_instance, status, message);
        GetMessage getVerboseMessage = (status, message) => ErrorCalls.GetVerboseMessage(_instance, status, message);
        OnePointer freeVerboseMessage = message => ErrorCalls.FreeVerboseMessage(_instance, (sbyte*)message);
        OnePointer globalConfigSet = config => GlobalConfigCalls.Set(_instance, (QnnGlobalConfig_t**)config);

        CreatePower createPower = (device, core, id) => _instance?.Power.Create(device, core, id) ?? Status.NotSupported;
        DestroyPower destroyPower = id => _instance?.Power.Destroy(id) ?? Status.NotSupported;
        SetPower setPower = (id, config) => _instance?.Power.Set(id, config) ?? Status.NotSupported;
        SetPowerMemory setPowerMemory = (device, core, config) => _instance?.Power.SetMemory(device, core, config) ?? Status.NotSupported;
        own->infraType = QnnHtpDevice_InfrastructureType_t.QNN_HTP_DEVICE_INFRASTRUCTURE_TYPE_PERF;
        ref QnnHtpDevice_PerfInfrastructure_t perf = ref own->Anonymous.perfInfra;
        perf.createPowerConfigId = (delegate* unmanaged[Cdecl]<uint, uint, uint*, ulong>)Pointer(createPower);
        perf.destroyPowerConfigId = (delegate* unmanaged[Cdecl]<uint, ulong>)Pointer(destroyPower);
        perf.setPowerConfig = (delegate* unmanaged[Cdecl]<uint, QnnHtpPerfInfrastructure_PowerConfig_t**, ulong>)Pointer(setPower);
        perf.setMemoryConfig = (delegate* unmanaged[Cdecl]<uint, uint, QnnHtpPerfInfrastructure_MemoryConfig_t**, ulong>)Pointer(setPowerMemory);

        // The delegates must live as long as the pointers made from them.
        _bound =
        [
            hasCapability, backendCreate, getApiVersion, getBuildId, logCreate, deviceCreate, getPlatformInfo, freePlatformInfo,
            getInfrastructure, getMessage, getVerboseMessage, freeVerboseMessage, globalConfigSet,
            createPower, destroyPower, setPower, setPowerMemory,
        ];
        slots.propertyHasCapability = (delegate* unmanaged[Cdecl]<uint, ulong>)Pointer(hasCapability);
        slots.backendCreate = (delegate* unmanaged[Cdecl]<void*, QnnBackend_Config_t**, void**, ulong>)Pointer(backendCreate);
        slots.backendGetApiVersion = (delegate* unmanaged[Cdecl]<Qnn_ApiVersion_t*, ulong>)Pointer(getApiVersion);
        slots.backendGetBuildId = (delegate* unmanaged[Cdecl]<sbyte**, ulong>)Pointer(getBuildId);
        slots.logCreate = (delegate* unmanaged[Cdecl]<
            delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void>, QnnLog_Level_t, void**, ulong>)Pointer(logCreate);
        slots.deviceCreate = (delegate* unmanaged[Cdecl]<void*, QnnDevice_Config_t**, void**, ulong>)Pointer(deviceCreate);
        slots.deviceGetPlatformInfo = (delegate* unmanaged[Cdecl]<void*, QnnDevice_PlatformInfo_t**, ulong>)Pointer(getPlatformInfo);
        slots.deviceFreePlatformInfo = (delegate* unmanaged[Cdecl]<void*, QnnDevice_PlatformInfo_t*, ulong>)Pointer(freePlatformInfo);
        slots.deviceGetInfrastructure = (delegate* unmanaged[Cdecl]<QnnHtpDevice_Infrastructure_t**, ulong>)Pointer(getInfrastructure);
        slots.errorGetMessage = (delegate* unmanaged[Cdecl]<ulong, sbyte**, ulong>)Pointer(getMessage);
        slots.errorGetVerboseMessage = (delegate* unmanaged[Cdecl]<ulong, sbyte**, ulong>)Pointer(getVerboseMessage);
        slots.errorFreeVerboseMessage = (delegate* unmanaged[Cdecl]<sbyte*, ulong>)Pointer(freeVerboseMessage);
        slots.globalConfigSet = (delegate* unmanaged[Cdecl]<QnnGlobalConfig_t**, ulong>)Pointer(globalConfigSet);
    }

    /// <summary>Array of one provider, as getProviders hands out.</summary>
    internal QnnInterface_t** List => _list;

    internal static ProviderPort Open(SoftHtpInstance instance)
    {
        lock (Gate)
        {
            if (!Idle.TryPop(out ProviderPort? port))
            {
                port = new ProviderPort();
                All.Add(port);
            }
            port._instance = instance;
            return port;
        }
    }

    internal void Close()
    {
        lock (Gate)
        {
            _instance = null;
            Idle.Push(this);
        }
    }

    static void* Pointer<T>(T bound)
        where T : Delegate => (void*)Marshal.GetFunctionPointerForDelegate(bound);
}

/// <summary>Slot of the global configuration.</summary>
internal static unsafe class GlobalConfigCalls
{
    internal static ulong Set(SoftHtpInstance? instance, QnnGlobalConfig_t** config)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.GlobalConfigSet) ?? default;
        if (fault.Fails)
        {
            return fault.Code;
        }
        for (int i = 0; config != null && config[i] != null; i++)
        {
            if (config[i]->option != QnnGlobalConfig_ConfigOption_t.QNN_GLOBAL_CONFIG_OPTION_SOC_MODEL)
            {
                return Status.GlobalConfigInvalid;
            }
        }
        return Status.Success;
    }
}
