using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Operators;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>What every provider table of this backend has in common.</summary>
internal static unsafe class ProviderTable
{
    // Never freed: clients may look at these at any time.
    internal static readonly sbyte* Name = (sbyte*)Text("SOFTHTP_SHADOWATTN");

    /// <summary>Build id; part of what a context cache is keyed by.</summary>
    internal static readonly sbyte* BuildId = (sbyte*)Text(
        $"SoftHtp v{typeof(ProviderTable).Assembly.GetName().Version?.ToString(3)}");

    internal static readonly QnnBackend_OperationName_t* Operations = BuildOperations();

    /// <summary>Core API 2.32 and the HTP backend API that comes with it.</summary>
    internal static Qnn_ApiVersion_t ApiVersion => new()
    {
        coreApiVersion = new Qnn_Version_t
        {
            major = QnnApi.QNN_API_VERSION_MAJOR,
            minor = QnnApi.QNN_API_VERSION_MINOR,
            patch = QnnApi.QNN_API_VERSION_PATCH,
        },
        backendApiVersion = new Qnn_Version_t
        {
            major = QnnApi.QNN_HTP_API_VERSION_MAJOR,
            minor = QnnApi.QNN_HTP_API_VERSION_MINOR,
            patch = QnnApi.QNN_HTP_API_VERSION_PATCH,
        },
    };

    /// <summary>Fills <paramref name="provider"/>; the slots that know no instance are left to the caller.</summary>
    internal static void Fill(QnnInterface_t* provider)
    {
        *provider = new QnnInterface_t
        {
            backendId = QnnApi.QNN_BACKEND_ID_HTP,
            providerName = Name,
            apiVersion = ApiVersion,
        };
        ref QnnInterface_ImplementationV2_32_t slots = ref provider->Anonymous.v2_32;
        slots.backendSetConfig = &BackendCalls.SetConfig;
        slots.backendRegisterOpPackage = &BackendCalls.RegisterOpPackage;
        slots.backendGetSupportedOperations = &BackendCalls.GetSupportedOperations;
        slots.backendValidateOpConfig = &BackendCalls.ValidateOpConfig;
        slots.backendFree = &BackendCalls.Free;
        slots.backendGetProperty = &BackendCalls.GetProperty;

        slots.contextCreate = &ContextCalls.Create;
        slots.contextSetConfig = &ContextCalls.SetConfig;
        slots.contextFree = &ContextCalls.Free;
        slots.contextGetBinarySize = &ContextBinaryCalls.GetBinarySize;
        slots.contextGetBinary = &ContextBinaryCalls.GetBinary;
        slots.contextCreateFromBinary = &ContextBinaryCalls.CreateFromBinary;
        slots.contextValidateBinary = &ContextBinaryCalls.ValidateBinary;
        slots.contextCreateFromBinaryWithSignal = &ContextBinaryCalls.CreateFromBinaryWithSignal;
        slots.contextCreateFromBinaryListAsync = &UnsupportedCalls.CreateFromBinaryListAsync;
        slots.contextCreateFromBinaryWithCallback = &UnsupportedCalls.CreateFromBinaryWithCallback;
        slots.contextGetBinarySectionSize = &UnsupportedCalls.GetBinarySectionSize;
        slots.contextGetBinarySection = &UnsupportedCalls.GetBinarySection;
        slots.contextApplyBinarySection = &UnsupportedCalls.ApplyBinarySection;
        slots.contextGetBinarySectionUpdate = &UnsupportedCalls.GetBinarySectionUpdate;
        slots.contextFreeBinarySectionUpdate = &UnsupportedCalls.FreeBinarySectionUpdate;
        slots.contextGetProperty = &UnsupportedCalls.ContextGetProperty;
        slots.contextGetIncrementalBinary = &UnsupportedCalls.GetIncrementalBinary;
        slots.contextReleaseIncrementalBinary = &UnsupportedCalls.ReleaseIncrementalBinary;
        slots.contextFinalize = &UnsupportedCalls.ContextFinalize;

        slots.graphCreate = &GraphCalls.Create;
        slots.graphCreateSubgraph = &UnsupportedCalls.CreateSubgraph;
        slots.graphSetConfig = &GraphCalls.SetConfig;
        slots.graphAddNode = &GraphCalls.AddNode;
        slots.graphFinalize = &GraphCalls.Finalize;
        slots.graphRetrieve = &GraphCalls.Retrieve;
        slots.graphExecute = &GraphCalls.Execute;
        slots.graphExecuteAsync = &GraphCalls.ExecuteAsync;
        slots.graphPrepareExecutionEnvironment = &UnsupportedCalls.PrepareExecutionEnvironment;
        slots.graphReleaseExecutionEnvironment = &UnsupportedCalls.ReleaseExecutionEnvironment;
        slots.graphGetProperty = &UnsupportedCalls.GraphGetProperty;

        slots.tensorCreateContextTensor = &UnsupportedCalls.CreateContextTensor;
        slots.tensorCreateGraphTensor = &TensorCalls.CreateGraphTensor;
        slots.tensorUpdateGraphTensors = &UnsupportedCalls.UpdateGraphTensors;
        slots.tensorUpdateContextTensors = &UnsupportedCalls.UpdateContextTensors;

        slots.logSetLogLevel = &LogCalls.SetLogLevel;
        slots.logFree = &LogCalls.Free;

        slots.profileCreate = &ProfileCalls.Create;
        slots.profileSetConfig = &ProfileCalls.SetConfig;
        slots.profileGetEvents = &ProfileCalls.GetEvents;
        slots.profileGetSubEvents = &ProfileCalls.GetSubEvents;
        slots.profileGetEventData = &ProfileCalls.GetEventData;
        slots.profileGetExtendedEventData = &ProfileCalls.GetExtendedEventData;
        slots.profileFree = &ProfileCalls.Free;

        slots.memRegister = &MemoryCalls.Register;
        slots.memDeRegister = &MemoryCalls.DeRegister;

        slots.deviceSetConfig = &DeviceCalls.SetConfig;
        slots.deviceGetInfo = &DeviceCalls.GetInfo;
        slots.deviceFree = &DeviceCalls.Free;

        slots.signalCreate = &SignalCalls.Create;
        slots.signalSetConfig = &SignalCalls.SetConfig;
        slots.signalTrigger = &SignalCalls.Trigger;
        slots.signalFree = &SignalCalls.Free;
    }

    static QnnBackend_OperationName_t* BuildOperations()
    {
        var names = (QnnBackend_OperationName_t*)NativeMemory.Alloc(
            (nuint)Operator.All.Length, (nuint)sizeof(QnnBackend_OperationName_t));
        for (int i = 0; i < Operator.All.Length; i++)
        {
            names[i] = new QnnBackend_OperationName_t
            {
                packageName = (sbyte*)Text("qti.aisw"),
                name = (sbyte*)Text(Operator.All[i].TypeName),
                target = null,
            };
        }
        return names;
    }

    static byte* Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        byte* copy = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
        bytes.CopyTo(new Span<byte>(copy, bytes.Length));
        return copy;
    }
}
