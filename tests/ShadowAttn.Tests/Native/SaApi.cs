using System.Reflection;
using System.Runtime.InteropServices;
using ShadowAttn.Native;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>
/// The functions of shadowattn.h through their addresses, as a caller in C has them: those of this process's managed code, or those of a library that was
/// compiled ahead of time.
/// </summary>
internal sealed unsafe class SaApi
{
    private readonly Func<string, nint> address;

    private SaApi(Func<string, nint> address) => this.address = address;

    /// <summary>The library's file; null for this process's own functions.</summary>
    public string? Path { get; private init; }

    /// <summary>The functions as managed code of this process.</summary>
    public static SaApi InProcess { get; } = new(name => typeof(Exports)
        .GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        .First(m => m.GetCustomAttribute<UnmanagedCallersOnlyAttribute>()?.EntryPoint == name)
        .MethodHandle.GetFunctionPointer());

    /// <summary>The functions of the library; the test is skipped if there is none.</summary>
    public static SaApi Library()
    {
        string path = NativeArtifacts.Library();
        nint library = NativeLibrary.Load(path);
        return new SaApi(name => NativeLibrary.GetExport(library, name)) { Path = path };
    }

    /// <summary>Names of all functions.</summary>
    public static IEnumerable<string> Names => typeof(Exports)
        .GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        .Select(m => m.GetCustomAttribute<UnmanagedCallersOnlyAttribute>()?.EntryPoint)
        .OfType<string>();

    public string LastError => Marshal.PtrToStringUTF8((nint)LastErrorPointer())!;

    public SaUsage Usage()
    {
        SaUsage usage = new() { Size = (uint)sizeof(SaUsage) };
        Assert.Equal(SaStatus.Ok, UsageGet(&usage));
        return usage;
    }

    /// <summary>Fails the test with the library's message.</summary>
    public void Ok(SaStatus status) => Assert.True(status == SaStatus.Ok, $"{status}: {LastError}");

    public SaStatus AttentionCreate(nint backend, SaAttentionOptions* options, nint* attention) =>
        ((delegate* unmanaged[Cdecl]<nint, SaAttentionOptions*, nint*, SaStatus>)Address("sa_attention_create"))(backend, options, attention);

    public SaStatus AttentionFree(nint attention) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_attention_free"))(attention);

    public SaStatus AttentionGetThreads(nint attention, uint* threads) =>
        ((delegate* unmanaged[Cdecl]<nint, uint*, SaStatus>)Address("sa_attention_get_threads"))(attention, threads);

    public SaStatus AttentionCompute(nint attention, SaTensor* q, SaTensor* k, SaTensor* v, SaTensor* o, uint queries, uint keys, SaCall* call) =>
        ((delegate* unmanaged[Cdecl]<nint, SaTensor*, SaTensor*, SaTensor*, SaTensor*, uint, uint, SaCall*, SaStatus>)Address("sa_attention_compute"))(attention, q, k, v, o, queries, keys, call);

    public SaStatus BackendOpen(byte* path, SaBackendOptions* options, nint* backend) =>
        ((delegate* unmanaged[Cdecl]<byte*, SaBackendOptions*, nint*, SaStatus>)Address("sa_backend_open"))(path, options, backend);

    public SaStatus BackendFree(nint backend) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_backend_free"))(backend);

    public SaStatus BackendDescribe(nint backend, byte* text, nuint capacity, nuint* required) =>
        ((delegate* unmanaged[Cdecl]<nint, byte*, nuint, nuint*, SaStatus>)Address("sa_backend_describe"))(backend, text, capacity, required);

    public SaStatus WorkersCreate(uint threads, nint* workers) =>
        ((delegate* unmanaged[Cdecl]<uint, nint*, SaStatus>)Address("sa_workers_create"))(threads, workers);

    public SaStatus WorkersFree(nint workers) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_workers_free"))(workers);

    public SaStatus CancellationCreate(nint* cancellation) =>
        ((delegate* unmanaged[Cdecl]<nint*, SaStatus>)Address("sa_cancellation_create"))(cancellation);

    public SaStatus CancellationFree(nint cancellation) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_cancellation_free"))(cancellation);

    public SaStatus CancellationRequest(nint cancellation) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_cancellation_request"))(cancellation);

    public SaStatus CancellationReset(nint cancellation) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_cancellation_reset"))(cancellation);

    public SaStatus CacheCreate(nint attention, SaCacheOptions* options, nint* cache) =>
        ((delegate* unmanaged[Cdecl]<nint, SaCacheOptions*, nint*, SaStatus>)Address("sa_cache_create"))(attention, options, cache);

    public SaStatus CacheFree(nint cache) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_cache_free"))(cache);

    public SaStatus CacheAppend(nint cache, SaTensor* k, SaTensor* v, uint keys) =>
        ((delegate* unmanaged[Cdecl]<nint, SaTensor*, SaTensor*, uint, SaStatus>)Address("sa_cache_append"))(cache, k, v, keys);

    public SaStatus CacheTruncate(nint cache, uint keys) =>
        ((delegate* unmanaged[Cdecl]<nint, uint, SaStatus>)Address("sa_cache_truncate"))(cache, keys);

    public SaStatus CacheGetCount(nint cache, uint* count, uint* capacity) =>
        ((delegate* unmanaged[Cdecl]<nint, uint*, uint*, SaStatus>)Address("sa_cache_get_count"))(cache, count, capacity);

    public SaStatus CacheCompute(nint cache, SaTensor* q, SaTensor* o, uint queries, SaCall* call) =>
        ((delegate* unmanaged[Cdecl]<nint, SaTensor*, SaTensor*, uint, SaCall*, SaStatus>)Address("sa_cache_compute"))(cache, q, o, queries, call);

    public SaStatus LogSet(delegate* unmanaged[Cdecl]<void*, int, byte*, void> callback, void* user, int level) =>
        ((delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<void*, int, byte*, void>, void*, int, SaStatus>)Address("sa_log_set"))(callback, user, level);

    public SaStatus UsageGet(SaUsage* usage) =>
        ((delegate* unmanaged[Cdecl]<SaUsage*, SaStatus>)Address("sa_usage_get"))(usage);

    public SaStatus PlanCreate(nint attention, uint queries, uint keys, nint* plan) =>
        ((delegate* unmanaged[Cdecl]<nint, uint, uint, nint*, SaStatus>)Address("sa_plan_create"))(attention, queries, keys, plan);

    public SaStatus PlanCreateCached(nint cache, uint queries, nint* plan) =>
        ((delegate* unmanaged[Cdecl]<nint, uint, nint*, SaStatus>)Address("sa_plan_create_cached"))(cache, queries, plan);

    public SaStatus PlanFree(nint plan) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_plan_free"))(plan);

    public SaStatus PlanCompute(nint plan, SaTensor* q, SaTensor* k, SaTensor* v, SaTensor* o, SaCall* call) =>
        ((delegate* unmanaged[Cdecl]<nint, SaTensor*, SaTensor*, SaTensor*, SaTensor*, SaCall*, SaStatus>)Address("sa_plan_compute"))(plan, q, k, v, o, call);

    public SaStatus PlanComputeCached(nint plan, nint cache, SaTensor* q, SaTensor* o, SaCall* call) =>
        ((delegate* unmanaged[Cdecl]<nint, nint, SaTensor*, SaTensor*, SaCall*, SaStatus>)Address("sa_plan_compute_cached"))(plan, cache, q, o, call);

    public SaStatus ProfileLoad(byte* path, nint* profile) =>
        ((delegate* unmanaged[Cdecl]<byte*, nint*, SaStatus>)Address("sa_profile_load"))(path, profile);

    public SaStatus ProfileParse(void* json, nuint bytes, nint* profile) =>
        ((delegate* unmanaged[Cdecl]<void*, nuint, nint*, SaStatus>)Address("sa_profile_parse"))(json, bytes, profile);

    public SaStatus ProfileFree(nint profile) =>
        ((delegate* unmanaged[Cdecl]<nint, SaStatus>)Address("sa_profile_free"))(profile);

    public SaStatus ProfileGetInfo(nint profile, SaProfileInfo* info) =>
        ((delegate* unmanaged[Cdecl]<nint, SaProfileInfo*, SaStatus>)Address("sa_profile_get_info"))(profile, info);

    public byte* LastErrorPointer() => ((delegate* unmanaged[Cdecl]<byte*>)Address("sa_last_error"))();

    public byte* ErrorName(int status) => ((delegate* unmanaged[Cdecl]<int, byte*>)Address("sa_error_name"))(status);

    public byte* Version() => ((delegate* unmanaged[Cdecl]<byte*>)Address("sa_version"))();

    public uint VersionNumber() => ((delegate* unmanaged[Cdecl]<uint>)Address("sa_version_number"))();

    public byte* Isa() => ((delegate* unmanaged[Cdecl]<byte*>)Address("sa_isa"))();

    public int IsaSupported(byte* name) => ((delegate* unmanaged[Cdecl]<byte*, int>)Address("sa_isa_supported"))(name);

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, nint> addresses = new();

    private nint Address(string name) => addresses.GetOrAdd(name, address);
}
