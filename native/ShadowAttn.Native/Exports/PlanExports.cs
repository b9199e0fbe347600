using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ShadowAttn.Native;

internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_plan_create", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus PlanCreate(nint attention, uint queries, uint keys, nint* plan)
    {
        AttentionObject? own = null;
        try
        {
            Clear(plan, nameof(plan));
            int queryCount = TensorArgument.ReadCount(queries, nameof(queries));
            int keyCount = TensorArgument.ReadCount(keys, nameof(keys));
            own = Share<AttentionObject>(attention, nameof(attention)) ?? throw new SaException(SaStatus.Handle, "attention is null");
            own.Prepare(queryCount, keyCount);
            var made = new PlanObject(own, queryCount, keyCount, cached: false);
            own = null;
            *plan = HandleTable.Add(made);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            own?.Release();
            return LastError.Set(e, "sa_plan_create");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_plan_create_cached", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus PlanCreateCached(nint cache, uint queries, nint* plan)
    {
        AttentionObject? own = null;
        try
        {
            Clear(plan, nameof(plan));
            int queryCount = TensorArgument.ReadCount(queries, nameof(queries));
            using Hold<CacheObject> hold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            hold.Target.Attention.Prepare(queryCount, hold.Target);
            own = hold.Target.Attention;
            own.TryAddReference();
            var made = new PlanObject(own, queryCount, hold.Target.Cache.Capacity, cached: true);
            own = null;
            *plan = HandleTable.Add(made);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            own?.Release();
            return LastError.Set(e, "sa_plan_create_cached");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_plan_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus PlanFree(nint plan)
    {
        try
        {
            HandleTable.Free<PlanObject>(plan, nameof(plan));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_plan_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_plan_compute", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus PlanCompute(nint plan, SaTensor* q, SaTensor* k, SaTensor* v, SaTensor* o, SaCall* call)
    {
        try
        {
            using Hold<PlanObject> hold = HandleTable.Acquire<PlanObject>(plan, nameof(plan));
            if (hold.Target.Cached)
            {
                throw SaException.Argument("plan is for calls on a cache; sa_plan_compute_cached takes it");
            }

            CallArguments arguments = CallArguments.Read(call);
            hold.Target.Attention.Compute(q, k, v, o, hold.Target.Queries, hold.Target.Keys, arguments);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_plan_compute");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_plan_compute_cached", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus PlanComputeCached(nint plan, nint cache, SaTensor* q, SaTensor* o, SaCall* call)
    {
        try
        {
            using Hold<PlanObject> hold = HandleTable.Acquire<PlanObject>(plan, nameof(plan));
            using Hold<CacheObject> cacheHold = HandleTable.Acquire<CacheObject>(cache, nameof(cache));
            if (!hold.Target.Cached || hold.Target.Attention != cacheHold.Target.Attention || hold.Target.Keys != cacheHold.Target.Cache.Capacity)
            {
                throw SaException.Argument("plan is not for caches of this attention and capacity");
            }

            CallArguments arguments = CallArguments.Read(call);
            hold.Target.Attention.Compute(cacheHold.Target, q, o, hold.Target.Queries, arguments);
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_plan_compute_cached");
        }
    }
}
