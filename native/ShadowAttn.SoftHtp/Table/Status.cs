using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>The statuses that this backend returns, under short names.</summary>
internal static class Status
{
    internal const ulong Success = 0;
    internal const ulong NotSupported = (ulong)QnnCommon_Error_t.QNN_COMMON_ERROR_NOT_SUPPORTED;
    internal const ulong MemAlloc = (ulong)QnnCommon_Error_t.QNN_COMMON_ERROR_MEM_ALLOC;
    internal const ulong InvalidArgument = (ulong)QnnCommon_Error_t.QNN_COMMON_ERROR_INVALID_ARGUMENT;
    internal const ulong General = (ulong)QnnCommon_Error_t.QNN_COMMON_ERROR_GENERAL;

    internal const ulong UnknownProperty = (ulong)QnnProperty_Error_t.QNN_PROPERTY_ERROR_UNKNOWN_KEY;

    internal const ulong OpValidationFailure = (ulong)QnnOpPackage_Error_t.QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE;

    internal const ulong BackendCannotInitialize = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_CANNOT_INITIALIZE;
    internal const ulong BackendNotSupported = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_NOT_SUPPORTED;
    internal const ulong BackendInvalidArgument = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_INVALID_ARGUMENT;
    internal const ulong OpPackageNotFound = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_OP_PACKAGE_NOT_FOUND;
    internal const ulong BackendInvalidHandle = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_INVALID_HANDLE;
    internal const ulong BackendInvalidConfig = (ulong)QnnBackend_Error_t.QNN_BACKEND_ERROR_INVALID_CONFIG;

    internal const ulong ContextInvalidArgument = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_INVALID_ARGUMENT;
    internal const ulong ContextInvalidHandle = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_INVALID_HANDLE;
    internal const ulong ContextNotFinalized = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_NOT_FINALIZED;
    internal const ulong ContextBinaryVersion = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_BINARY_VERSION;
    internal const ulong ContextCreateFromBinaryFailed = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_CREATE_FROM_BINARY;
    internal const ulong ContextGetBinaryFailed = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_GET_BINARY_FAILED;
    internal const ulong ContextInvalidConfig = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_INVALID_CONFIG;
    internal const ulong ContextAborted = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_ABORTED;
    internal const ulong ContextTimedOut = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_TIMED_OUT;
    internal const ulong ContextSetProfile = (ulong)QnnContext_Error_t.QNN_CONTEXT_ERROR_SET_PROFILE;

    internal const ulong GraphInvalidArgument = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_INVALID_ARGUMENT;
    internal const ulong GraphInvalidHandle = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_INVALID_HANDLE;
    internal const ulong GraphInvalidName = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_INVALID_NAME;
    internal const ulong GraphInvalidTensor = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_INVALID_TENSOR;
    internal const ulong GraphInvalidOpConfig = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_INVALID_OP_CONFIG;
    internal const ulong GraphSetProfile = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_SET_PROFILE;
    internal const ulong GraphUnconnectedNode = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_UNCONNECTED_NODE;
    internal const ulong GraphCreateFailed = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_CREATE_FAILED;
    internal const ulong GraphFinalizeFailed = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_FINALIZE_FAILED;
    internal const ulong GraphNotFinalized = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_GRAPH_NOT_FINALIZED;
    internal const ulong GraphFinalized = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_GRAPH_FINALIZED;
    internal const ulong GraphAsyncFifoFull = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_EXECUTION_ASYNC_FIFO_FULL;
    internal const ulong GraphSignalInUse = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_SIGNAL_IN_USE;
    internal const ulong GraphAborted = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_ABORTED;
    internal const ulong GraphTimedOut = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_TIMED_OUT;
    internal const ulong GraphDisabled = (ulong)QnnGraph_Error_t.QNN_GRAPH_ERROR_DISABLED;

    internal const ulong TensorInvalidHandle = (ulong)QnnTensor_Error_t.QNN_TENSOR_ERROR_INVALID_HANDLE;
    internal const ulong TensorAlreadyExists = (ulong)QnnTensor_Error_t.QNN_TENSOR_ERROR_ALREADY_EXISTS;
    internal const ulong TensorInvalidParam = (ulong)QnnTensor_Error_t.QNN_TENSOR_ERROR_INVALID_TENSOR_PARAM;
    internal const ulong TensorUnsupportedParam = (ulong)QnnTensor_Error_t.QNN_TENSOR_ERROR_UNSUPPORTED_TENSOR_PARAM;

    internal const ulong MemInvalidArgument = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_INVALID_ARGUMENT;
    internal const ulong MemInvalidHandle = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_INVALID_HANDLE;
    internal const ulong MemAlreadyRegistered = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_ALREADY_REGISTERED;
    internal const ulong MemMapping = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_MAPPING;
    internal const ulong MemInvalidShape = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_INVALID_SHAPE;
    internal const ulong MemUnsupportedType = (ulong)QnnMem_Error_t.QNN_MEM_ERROR_UNSUPPORTED_MEMTYPE;

    internal const ulong SignalInUse = (ulong)QnnSignal_Error_t.QNN_SIGNAL_ERROR_SIGNAL_IN_USE;
    internal const ulong SignalIdle = (ulong)QnnSignal_Error_t.QNN_SIGNAL_ERROR_SIGNAL_IDLE;
    internal const ulong SignalInvalidArgument = (ulong)QnnSignal_Error_t.QNN_SIGNAL_ERROR_INVALID_ARGUMENT;
    internal const ulong SignalInvalidHandle = (ulong)QnnSignal_Error_t.QNN_SIGNAL_ERROR_INVALID_HANDLE;
    internal const ulong SignalIncompatible = (ulong)QnnSignal_Error_t.QNN_SIGNAL_ERROR_INCOMPATIBLE_SIGNAL_TYPE;

    internal const ulong ErrorInvalidArgument = (ulong)QnnError_Error_t.QNN_ERROR_INVALID_ARGUMENT;
    internal const ulong ErrorInvalidHandle = (ulong)QnnError_Error_t.QNN_ERROR_INVALID_ERROR_HANDLE;

    internal const ulong LogInvalidArgument = (ulong)QnnLog_Error_t.QNN_LOG_ERROR_INVALID_ARGUMENT;
    internal const ulong LogInvalidHandle = (ulong)QnnLog_Error_t.QNN_LOG_ERROR_INVALID_HANDLE;

    internal const ulong ProfileInvalidHandle = (ulong)QnnProfile_Error_t.QNN_PROFILE_ERROR_INVALID_HANDLE;
    internal const ulong ProfileHandleInUse = (ulong)QnnProfile_Error_t.QNN_PROFILE_ERROR_HANDLE_IN_USE;

    internal const ulong PerfInvalidHandle = (ulong)QnnHtpPerfInfrastructure_Error_t.QNN_HTP_PERF_INFRASTRUCTURE_ERROR_INVALID_HANDLE_PTR;
    internal const ulong PerfInvalidInput = (ulong)QnnHtpPerfInfrastructure_Error_t.QNN_HTP_PERF_INFRASTRUCTURE_ERROR_INVALID_INPUT;
    internal const ulong PerfUnsupportedConfig = (ulong)QnnHtpPerfInfrastructure_Error_t.QNN_HTP_PERF_INFRASTRUCTURE_ERROR_UNSUPPORTED_CONFIG;

    internal const ulong DeviceInvalidHandle = (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_INVALID_HANDLE;
    internal const ulong DeviceInvalidConfig = (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_INVALID_CONFIG;

    internal const ulong GlobalConfigInvalid = (ulong)QnnGlobalConfig_Error_t.QNN_GLOBAL_CONFIG_ERROR_INVALID_CONFIG;

    // What HTP answers to a foreign binary (zeros) and to one that is cut short.
    internal const ulong BinaryForeign = (ulong)QnnSystemContext_Error_t.QNN_SYSTEM_CONTEXT_ERROR_INVALID_ARGUMENT;
    internal const ulong BinaryMalformed = (ulong)QnnSystemContext_Error_t.QNN_SYSTEM_CONTEXT_ERROR_MALFORMED_BINARY;
}
