using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Binary;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Table;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.SystemLibrary;

/// <summary>The system interface (API 1.7): says what is in a context binary of this backend. One for the process.</summary>
internal static unsafe class SystemTable
{
    const ulong InvalidHandle = (ulong)QnnSystemContext_Error_t.QNN_SYSTEM_CONTEXT_ERROR_INVALID_HANDLE;
    const ulong InvalidArgument = (ulong)QnnSystemContext_Error_t.QNN_SYSTEM_CONTEXT_ERROR_INVALID_ARGUMENT;
    const ulong Malformed = (ulong)QnnSystemContext_Error_t.QNN_SYSTEM_CONTEXT_ERROR_MALFORMED_BINARY;

    static readonly SoftHtpInstance Instance = new(new SoftHtpOptions { Threads = 1 });

    /// <summary>Array of one provider.</summary>
    internal static readonly QnnSystemInterface_t** Providers = Build();

    static QnnSystemInterface_t** Build()
    {
        var provider = (QnnSystemInterface_t*)NativeMemory.AllocZeroed((nuint)sizeof(QnnSystemInterface_t));
        provider->backendId = QnnApi.QNN_BACKEND_ID_NULL;
        provider->providerName = ProviderTable.Name;
        provider->systemApiVersion = new Qnn_Version_t
        {
            major = QnnApi.QNN_SYSTEM_API_VERSION_MAJOR,
            minor = QnnApi.QNN_SYSTEM_API_VERSION_MINOR,
            patch = QnnApi.QNN_SYSTEM_API_VERSION_PATCH,
        };
        ref QnnSystemInterface_ImplementationV1_7_t slots = ref provider->Anonymous.v1_7;
        slots.systemContextCreate = &CreateContext;
        slots.systemContextGetBinaryInfo = &GetBinaryInfo;
        slots.systemContextGetMetaData = &GetMetaData;
        slots.systemContextFree = &FreeContext;
        slots.systemTensorGetMemoryFootprint = &GetMemoryFootprint;
        slots.systemLogCreate = &CreateLog;
        slots.systemLogSetLogLevel = &SetLogLevel;
        slots.systemLogFree = &FreeLog;
        slots.systemDlcCreateFromFile = &CreateDlcFromFile;
        slots.systemDlcCreateFromBinary = &CreateDlcFromBinary;
        slots.systemDlcComposeGraphs = &ComposeDlcGraphs;
        slots.systemDlcGetOpMappings = &GetDlcMappings;
        slots.systemDlcFree = &FreeDlc;
        slots.systemProfileCreateSerializationTarget = &CreateProfileTarget;
        slots.systemProfileSerializeEventData = &SerializeEvents;
        slots.systemProfileFreeSerializationTarget = &FreeProfileTarget;
        var list = (QnnSystemInterface_t**)NativeMemory.AllocZeroed((nuint)sizeof(QnnSystemInterface_t*));
        *list = provider;
        return list;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreateContext(void** handle)
    {
        try
        {
            if (handle == null)
            {
                return InvalidArgument;
            }
            *handle = HandleTable.Add(new SystemContextObject(Instance));
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetBinaryInfo(void* handle, void* binary, ulong bytes, QnnSystemContext_BinaryInfo_t** info, ulong* infoBytes)
    {
        ulong status = Describe(handle, binary, bytes, info, out ulong written);
        if (status == Status.Success && infoBytes != null)
        {
            *infoBytes = written;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetMetaData(void* handle, void* binary, ulong bytes, QnnSystemContext_BinaryInfo_t** info) =>
        Describe(handle, binary, bytes, info, out _);

    static ulong Describe(void* handle, void* binary, ulong bytes, QnnSystemContext_BinaryInfo_t** info, out ulong infoBytes)
    {
        infoBytes = 0;
        try
        {
            if (!HandleTable.TryEnter(handle, out SystemContextObject? context))
            {
                return InvalidHandle;
            }
            using var _ = new Leave(context);
            if (binary == null || bytes == 0 || info == null)
            {
                return InvalidArgument;
            }
            *info = null;
            var given = new ReadOnlySpan<byte>(binary, (int)Math.Min(bytes, int.MaxValue));
            ContextBinary? contents = BinaryLayout.Examine(given, out ReadOnlySpan<byte> body) == BinaryState.Intact ? ContextBinary.Read(body) : null;
            if (contents is null)
            {
                return Malformed;
            }
            *info = context.Describe(contents, (ulong)body.Length + BinaryLayout.HeaderBytes);
            infoBytes = (ulong)sizeof(QnnSystemContext_BinaryInfo_t);
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong FreeContext(void* handle)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out SystemContextObject? context))
            {
                return InvalidHandle;
            }
            using var _ = new Leave(context);
            return context.Close() ? Status.Success : InvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetMemoryFootprint(Qnn_Tensor_t tensor, ulong* footprint)
    {
        try
        {
            if (footprint == null)
            {
                return (ulong)QnnSystemTensor_Error_t.QNN_SYSTEM_TENSOR_ERROR_INVALID_ARGUMENT;
            }
            TensorInfo? info = TensorInfo.Read(&tensor, copyData: false, out _);
            *footprint = info is null ? 0 : (ulong)info.Bytes;
            return info is null ? (ulong)QnnSystemTensor_Error_t.QNN_SYSTEM_TENSOR_ERROR_INVALID_TENSOR : Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    // This interface says nothing that a log would tell, reads no model files and serialises no profiles.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreateLog(delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> callback, QnnLog_Level_t level, void** log) =>
        Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong SetLogLevel(void* log, QnnLog_Level_t level) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong FreeLog(void* log) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreateDlcFromFile(void* log, sbyte* path, void** dlc) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreateDlcFromBinary(void* log, byte* binary, ulong bytes, void** dlc) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong ComposeDlcGraphs(
        void* dlc,
        QnnSystemDlc_GraphConfigInfo_t** config,
        uint count,
        void* backend,
        void* context,
        QnnInterface_t provider,
        QnnSystemContext_GraphInfoVersion_t version,
        QnnSystemContext_GraphInfo_t** graphs,
        uint* graphCount) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetDlcMappings(void* dlc, Qnn_OpMapping_t** mappings, uint* count) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong FreeDlc(void* dlc) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong CreateProfileTarget(
        QnnSystemProfile_SerializationTarget_t target, QnnSystemProfile_SerializationTargetConfig_t* config, uint count, void** handle) =>
        Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong SerializeEvents(void* target, QnnSystemProfile_ProfileData_t** data, uint count) => Status.NotSupported;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static ulong FreeProfileTarget(void* target) => Status.NotSupported;
}
