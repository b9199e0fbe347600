using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Operators;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the backend area.</summary>
internal static unsafe class BackendCalls
{
    internal static ulong Create(SoftHtpInstance? instance, void* log, QnnBackend_Config_t** config, void** backend)
    {
        try
        {
            if (instance is null || instance.IsShut)
            {
                return Status.BackendCannotInitialize;
            }
            CallGate.Outcome fault = instance.Gate.Enter(QnnCall.BackendCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (backend == null)
            {
                return Status.BackendInvalidArgument;
            }
            if (fault.NullResult)
            {
                *backend = null;
                return Status.Success;
            }
            LogObject? logObject = null;
            if (log != null)
            {
                if (!HandleTable.TryEnter(log, out logObject))
                {
                    return Status.BackendInvalidArgument;
                }
                logObject.Exit();
            }
            *backend = HandleTable.Add(new BackendObject(instance, logObject));
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnBackend_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            return backend.Instance.Gate.Enter(QnnCall.BackendSetConfig).Code;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong GetApiVersion(SoftHtpInstance? instance, Qnn_ApiVersion_t* version)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.BackendGetApiVersion) ?? default;
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (version == null)
        {
            return Status.BackendInvalidArgument;
        }
        *version = fault.NullResult ? default : ProviderTable.ApiVersion;
        return Status.Success;
    }

    internal static ulong GetBuildId(SoftHtpInstance? instance, sbyte** id)
    {
        CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.BackendGetBuildId) ?? default;
        if (fault.Fails)
        {
            return fault.Code;
        }
        if (id == null)
        {
            return Status.BackendInvalidArgument;
        }
        *id = fault.NullResult ? null : ProviderTable.BuildId;
        return Status.Success;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong RegisterOpPackage(void* handle, sbyte* path, sbyte* provider, sbyte* target)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.BackendRegisterOpPackage);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (path == null || provider == null)
            {
                return Status.BackendInvalidArgument;
            }
            backend.Error($"op package '{Marshal.PtrToStringUTF8((nint)path)}': this backend has its own operators only");
            return Status.BackendNotSupported;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetSupportedOperations(void* handle, uint* count, QnnBackend_OperationName_t** operations)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.BackendGetSupportedOperations);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (count == null || operations == null)
            {
                return Status.BackendInvalidArgument;
            }
            *count = fault.NullResult ? 0 : (uint)Operator.All.Length;
            *operations = fault.NullResult ? null : ProviderTable.Operations;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong ValidateOpConfig(void* handle, Qnn_OpConfig_t config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.BackendValidateOpConfig);
            if (fault.Fails)
            {
                return fault.Code;
            }
            Operator? op = OpConfigReader.FindOperator(config, out string refusal);
            if (op is null)
            {
                backend.Error(refusal);
                return Status.OpPackageNotFound;
            }
            OpCall? call = OpConfigReader.Read(config, OpConfigReader.AsDescribed, out refusal);
            if (call is null || op.Refuse(call) is { } wrong && (refusal = wrong) is not null)
            {
                backend.Error($"{op.TypeName}: {refusal}");
                return Status.OpValidationFailure;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetProperty(void* handle, QnnBackend_Property_t** properties)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.BackendGetProperty);
            return fault.Fails ? fault.Code : Status.BackendNotSupported;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Free(void* handle)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out BackendObject? backend))
            {
                return Status.BackendInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.BackendFree);
            return backend.Close() ? fault.Code : Status.BackendInvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
