using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ShadowAttn.Native;

internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_cache_create", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheCreate(nint attention, SaCacheOptions* options, nint* cache)
    {
        AttentionObject? own = null;
        try
        {
            Clear(cache, nameof(cache));
            if (options == null)
            {
                throw SaException.Null(nameof(options));
            }

            SaCacheOptions given = SizedStruct.Read(options, sizeof(SaCacheOptions), nameof(options));
            own = Share<AttentionObject>(attention, nameof(attention)) ?? throw new SaException(SaStatus.Handle, "attention is null");
            if (given.Reserved != 0)
            {
                throw SaException.Argument($"options.reserved is {given.Reserved}; it must be 0");
            }

            CacheObject made = own.CreateCache(
                TensorArgument.ReadCount(given.Capacity, "capacity"), given.Dtype == 3 ? Kernels.KvFormat.Q16 : TensorArgument.ReadFormat(given.Dtype, nameof(options)));
            own = null;
            *cache = HandleTable.Add(made);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            own?.Release();
            return LastError.Set(e, "sa_cache_create");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cache_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheFree(nint cache)
    {
        try
        {
            HandleTable.Free<CacheObject>(cache, nameof(cache));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cache_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cache_append", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheAppend(nint cache, SaTensor* k, SaTensor* v, uint keys)
    {
        try
        {
            using Hold<CacheObject> hold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            hold.Target.Append(k, v, TensorArgument.ReadCount(keys, nameof(keys)));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cache_append");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cache_truncate", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheTruncate(nint cache, uint keys)
    {
        try
        {
            using Hold<CacheObject> hold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            hold.Target.Truncate(keys);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cache_truncate");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cache_get_count", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheGetCount(nint cache, uint* count, uint* capacity)
    {
        try
        {
            using Hold<CacheObject> hold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            if (count != null)
            {
                *count = (uint)hold.Target.Cache.Count;
            }

            if (capacity != null)
            {
                *capacity = (uint)hold.Target.Cache.Capacity;
            }
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cache_get_count");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cache_compute", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CacheCompute(nint cache, SaTensor* q, SaTensor* o, uint queries, SaCall* call)
    {
        try
        {
            using Hold<CacheObject> hold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            CallArguments arguments = CallArguments.Read(call);
            hold.Target.Attention.Compute(hold.Target, q, o, TensorArgument.ReadCount(queries, nameof(queries)), arguments);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cache_compute");
        }
    }
}
