using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Attention;

namespace ShadowAttn.Native;

internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_attention_create", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus AttentionCreate(nint backend, SaAttentionOptions* options, nint* attention)
    {
        BackendObject? ownBackend = null;
        WorkersObject? ownWorkers = null;
        try
        {
            Clear(attention, nameof(attention));
            if (options == null)
            {
                throw SaException.Null(nameof(options));
            }

            const int FirstBytes = 112;
            SaAttentionOptions given = SizedStruct.Read(options, FirstBytes, nameof(options));
            ownBackend = Share<BackendObject>(backend, nameof(backend));
            ownWorkers = Share<WorkersObject>(given.Workers, "workers");
            CalibrationProfile? profile = null;
            if (given.Profile != 0)
            {
                using Hold<ProfileObject> hold = HandleTable.Acquire<ProfileObject>(given.Profile, "profile");
                profile = hold.Target.Profile;
            }

            AttentionOptions read = OptionsReader.Read(given, ownBackend is not null, profile, ownWorkers?.Workers);
            var made = new AttentionObject(read, ownBackend, ownWorkers, profile?.Find((int)given.Layer)?.Statistics());
            ownBackend = null;
            ownWorkers = null;
            *attention = HandleTable.Add(made);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            ownWorkers?.Release();
            ownBackend?.Release();
            return LastError.Set(e, "sa_attention_create");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_attention_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus AttentionFree(nint attention)
    {
        try
        {
            HandleTable.Free<AttentionObject>(attention, nameof(attention));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_attention_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_attention_get_threads", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus AttentionGetThreads(nint attention, uint* threads)
    {
        try
        {
            using Hold<AttentionObject> hold = HandleTable.Acquire<AttentionObject>(attention, nameof(attention));
            if (threads == null)
            {
                throw SaException.Null(nameof(threads));
            }

            *threads = (uint)hold.Target.Threads;
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_attention_get_threads");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_attention_compute", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus AttentionCompute(nint attention, SaTensor* q, SaTensor* k, SaTensor* v, SaTensor* o, uint queries, uint keys, SaCall* call)
    {
        try
        {
            using Hold<AttentionObject> hold = HandleTable.Acquire<AttentionObject>(attention, nameof(attention));
            CallArguments arguments = CallArguments.Read(call);
            hold.Target.Compute(
                q, k, v, o, TensorArgument.ReadCount(queries, nameof(queries)), TensorArgument.ReadCount(keys, nameof(keys)), arguments);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_attention_compute");
        }
    }

    /// <summary>A reference of its own for an object that is going to be made; null for a null handle.</summary>
    private static T? Share<T>(nint handle, string name)
        where T : SharedObject
    {
        if (handle == 0)
        {
            return null;
        }

        using Hold<T> hold = HandleTable.Acquire<T>(handle, name);
        hold.Target.TryAddReference();
        return hold.Target;
    }
}
