using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the profile area.</summary>
internal static unsafe class ProfileCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Create(void* backendHandle, uint level, void** profile)
    {
        try
        {
            if (!HandleTable.TryEnter(backendHandle, out BackendObject? backend))
            {
                return Status.ProfileInvalidHandle;
            }
            using var _ = new Leave(backend);
            CallGate.Outcome fault = backend.Instance.Gate.Enter(QnnCall.ProfileCreate);
            if (fault.Fails)
            {
                return fault.Code;
            }
            bool isLevel = level is QnnApi.QNN_PROFILE_LEVEL_BASIC or QnnApi.QNN_PROFILE_LEVEL_DETAILED or >= QnnApi.QNN_PROFILE_LEVEL_BACKEND;
            if (profile == null || !isLevel)
            {
                return Status.InvalidArgument;
            }
            *profile = null;
            if (fault.NullResult)
            {
                return Status.Success;
            }
            var made = new ProfileObject(backend, level);
            HandleTable.Add(made);
            if (!backend.Adopt(made))
            {
                made.Close();
                return Status.ProfileInvalidHandle;
            }
            *profile = (void*)made.Handle;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong SetConfig(void* handle, QnnProfile_Config_t** config)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ProfileObject? profile))
            {
                return Status.ProfileInvalidHandle;
            }
            using var _ = new Leave(profile);
            CallGate.Outcome fault = profile.Instance.Gate.Enter(QnnCall.ProfileSetConfig);
            if (fault.Fails)
            {
                return fault.Code;
            }
            for (int i = 0; config != null && config[i] != null; i++)
            {
                if (config[i]->option != QnnProfile_ConfigOption_t.QNN_PROFILE_CONFIG_OPTION_MAX_EVENTS)
                {
                    return Status.NotSupported;
                }
                profile.MaxEvents = config[i]->Anonymous.numMaxEvents;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetEvents(void* handle, ulong** events, uint* count)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out ProfileObject? profile))
            {
                return Status.ProfileInvalidHandle;
            }
            using var _ = new Leave(profile);
            CallGate.Outcome fault = profile.Instance.Gate.Enter(QnnCall.ProfileGetEvents);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (events == null || count == null)
            {
                return Status.InvalidArgument;
            }
            profile.Events(events, count);
            if (fault.NullResult)
            {
                *events = null;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetSubEvents(ulong id, ulong** events, uint* count)
    {
        ulong status = Find(id, QnnCall.ProfileGetSubEvents, events == null || count == null, out _, out ulong* subEvents, out uint subCount);
        if (status == Status.Success)
        {
            *events = subEvents;
            *count = subCount;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetEventData(ulong id, QnnProfile_EventData_t* data)
    {
        ulong status = Find(id, QnnCall.ProfileGetEventData, data == null, out QnnProfile_EventData_t found, out _, out _);
        if (status == Status.Success)
        {
            *data = found;
        }
        return status;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong GetExtendedEventData(ulong id, QnnProfile_ExtendedEventData_t* data)
    {
        ulong status = Find(id, QnnCall.ProfileGetExtendedEventData, data == null, out QnnProfile_EventData_t found, out _, out _);
        if (status == Status.Success)
        {
            *data = default;
            data->version = QnnProfile_ExtendedEventDataVersion_t.QNN_PROFILE_DATA_VERSION_1;
            ref QnnProfile_ExtendedEventDataV1_t v1 = ref data->Anonymous.v1;
            v1.type = found.type;
            v1.unit = found.unit;
            v1.Anonymous.value.dataType = Qnn_DataType_t.QNN_DATATYPE_UINT_64;
            v1.Anonymous.value.Anonymous.uint64Value = found.value;
            v1.identifier = found.identifier;
        }
        return status;
    }

    static ulong Find(ulong id, QnnCall call, bool isMissing, out QnnProfile_EventData_t data, out ulong* subEvents, out uint subCount)
    {
        data = default;
        subEvents = null;
        subCount = 0;
        try
        {
            if (ProfileObject.EnterOwner(id) is not { } profile)
            {
                return Status.InvalidArgument;
            }
            using var _ = new Leave(profile);
            CallGate.Outcome fault = profile.Instance.Gate.Enter(call);
            if (fault.Fails)
            {
                return fault.Code;
            }
            return !isMissing && profile.TryGet(id, out data, out subEvents, out subCount) ? Status.Success : Status.InvalidArgument;
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
            if (!HandleTable.TryEnter(handle, out ProfileObject? profile))
            {
                return Status.ProfileInvalidHandle;
            }
            using var _ = new Leave(profile);
            CallGate.Outcome fault = profile.Instance.Gate.Enter(QnnCall.ProfileFree);
            return profile.Close() ? fault.Code : Status.ProfileInvalidHandle;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
