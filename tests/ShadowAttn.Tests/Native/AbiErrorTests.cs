using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Native;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>Wrong calls: a code, a message that names what is wrong, and nothing changed.</summary>
[Collection(ProcessStateCollection.Name)]
public unsafe class AbiErrorTests
{
    private readonly SaApi api = SaApi.InProcess;

    private SaStatus Create(SaAttentionOptions options, out string message, nint backend = 0)
    {
        nint attention = 1;
        SaStatus status = api.AttentionCreate(backend, &options, &attention);
        Assert.Equal(0, attention);
        message = api.LastError;
        return status;
    }

    [Fact]
    public void Options_that_are_wrong_are_named()
    {
        using var data = new AbiCase();
        SaAttentionOptions good = data.Options;
        float negative = -1;
        float* slopes = stackalloc float[] { 1, 1, 1, negative };
        (SaAttentionOptions Options, string Part)[] cases =
        [
            (good with { Heads = 0 }, "heads is 0"),
            (good with { Heads = 3 }, "heads (3) must be a multiple of kv_heads (2)"),
            (good with { KvHeads = 0 }, "kv_heads is 0"),
            (good with { HeadDim = 5000 }, "head_dim is 5000"),
            (good with { Mode = 7 }, "mode is 7"),
            (good with { Mode = 1 }, "mode needs a backend"),
            (good with { Tail = 4 }, "tail is 4"),
            (good with { Mask = 2 }, "mask is 2"),
            (good with { Exact = -1 }, "exact is -1"),
            (good with { Crossover = 2 }, "crossover is 2"),
            (good with { Reserved = 2 }, "reserved is 2"),
            (good with { Keep = 1.5f }, "keep is 1.5"),
            (good with { Keep = float.NaN }, "keep is NaN"),
            (good with { Keep = 0.1f, Mass = 0.9f }, "keep and mass"),
            (good with { Mass = -0.1f }, "mass is -0.1"),
            (good with { Scale = float.PositiveInfinity }, "scale"),
            (good with { Threads = 257 }, "threads"),
            (good with { Threads = uint.MaxValue }, "threads is 4294967295"),
            (good with { MaxPlans = 2000 }, "max_plans is 2000"),
            (good with { KeepPerHead = slopes }, "keep_per_head[3] is -1"),
            (good with { AlibiSlopes = slopes }, "alibi_slopes"),
            (good with { SlidingWindow = 5, Mask = 1 }, "sliding_window"),
            (good with { Exact = 1, Mass = 0.9f }, "exact is for modes SA_MODE_SHADOW and SA_MODE_SHADOW_CPU"),
        ];
        foreach ((SaAttentionOptions options, string part) in cases)
        {
            Assert.Equal(SaStatus.Argument, Create(options, out string message));
            Assert.StartsWith("sa_attention_create: ", message, StringComparison.Ordinal);
            Assert.Contains(part, message, StringComparison.Ordinal);
        }

        Assert.Equal(SaStatus.Handle, Create(good, out string noBackend, backend: 12345));
        Assert.Contains("backend is no handle", noBackend, StringComparison.Ordinal);
        Assert.Equal(SaStatus.Handle, Create(good with { Workers = 77 }, out string noWorkers));
        Assert.Contains("workers is no handle", noWorkers, StringComparison.Ordinal);
    }

    [Fact]
    public void Structs_of_other_sizes()
    {
        using var data = new AbiCase();
        SaAttentionOptions options = data.Options;
        foreach (uint size in (uint[])[0, 4, 111, 5000, uint.MaxValue])
        {
            Assert.Equal(SaStatus.StructSize, Create(options with { Size = size }, out string message));
            Assert.Contains($"options.size is {size}", message, StringComparison.Ordinal);
        }

        // A newer caller, with a field that is not set, and with one that is.
        byte* newer = stackalloc byte[sizeof(SaAttentionOptions) + 8];
        new Span<byte>(newer, sizeof(SaAttentionOptions) + 8).Clear();
        *(SaAttentionOptions*)newer = options with { Size = (uint)sizeof(SaAttentionOptions) + 8 };
        nint attention;
        api.Ok(api.AttentionCreate(0, (SaAttentionOptions*)newer, &attention));
        newer[sizeof(SaAttentionOptions)] = 1;
        nint none;
        Assert.Equal(SaStatus.StructSize, api.AttentionCreate(0, (SaAttentionOptions*)newer, &none));

        // An older caller's statistics end before the operators; what is behind them is not touched.
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        SaStats stats = new() { Size = 80 };
        stats.Operators[0].Device = 99;
        SaCall call = new() { Size = (uint)sizeof(SaCall), Stats = &stats };
        api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        Assert.Equal((80u, 99), (stats.Size, stats.Operators[0].Device));
        Assert.True(stats.VisibleKeys > 0);
        stats.Size = 40;
        Assert.Equal(SaStatus.StructSize, api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        api.Ok(api.AttentionFree(attention));
    }

    [Fact]
    public void Tensors_that_are_wrong_are_named()
    {
        using var data = new AbiCase();
        SaAttentionOptions options = data.Options;
        nint attention;
        api.Ok(api.AttentionCreate(0, &options, &attention));
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        (SaTensor Tensor, string Part)[] cases =
        [
            (q with { Data = null }, "data is null"),
            (q with { Data = (byte*)q.Data + 2 }, "not aligned"),
            (q with { Dtype = 3 }, "dtype is 3"),
            (q with { RowStride = 63 }, "row_stride is 63"),
            (q with { RowStride = -1 }, "row_stride is -1"),
            (q with { HeadStride = -1 }, "head_stride is -1"),
            (q with { HeadStride = long.MaxValue }, "exceeds the address space"),
            (q with { RowStride = long.MaxValue }, "exceeds the address space"),
            (q with { Reserved = 1 }, "reserved is 1"),
        ];
        foreach ((SaTensor tensor, string part) in cases)
        {
            SaTensor wrong = tensor;
            Expect(api.AttentionCompute(attention, &wrong, &k, &v, &o, data.Queries, data.Keys, null), "q" + (part[0] == 'e' ? " with its strides " : part[0] == 'n' ? ".data is " : ".") + part);
            Expect(api.AttentionCompute(attention, &q, &wrong, &v, &o, data.Queries, data.Keys, null), part);
            Expect(api.AttentionCompute(attention, &q, &k, &wrong, &o, data.Queries, data.Keys, null), part);
            Expect(api.AttentionCompute(attention, &q, &k, &v, &wrong, data.Queries, data.Keys, null), part);
        }

        Expect(api.AttentionCompute(attention, null, &k, &v, &o, data.Queries, data.Keys, null), "q is null");
        Expect(api.AttentionCompute(attention, &q, null, &v, &o, data.Queries, data.Keys, null), "k is null");
        Expect(api.AttentionCompute(attention, &q, &k, null, &o, data.Queries, data.Keys, null), "v is null");
        Expect(api.AttentionCompute(attention, &q, &k, &v, null, data.Queries, data.Keys, null), "o is null");
        Expect(api.AttentionCompute(attention, &q, &k, &v, &o, 0, data.Keys, null), "queries is 0");
        Expect(api.AttentionCompute(attention, &q, &k, &v, &o, uint.MaxValue, data.Keys, null), "queries is 4294967295");
        Expect(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, 69, null), "70 queries and 69 keys");
        api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, null));
        api.Ok(api.AttentionFree(attention));

        void Expect(SaStatus status, string part)
        {
            Assert.Equal(SaStatus.Argument, status);
            Assert.Contains(part, api.LastError, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Handles_that_are_wrong_are_recognised()
    {
        using var data = new AbiCase();
        SaAttentionOptions options = data.Options;
        nint attention, cache, plan, cancellation, workers;
        api.Ok(api.AttentionCreate(0, &options, &attention));
        SaCacheOptions cacheOptions = new() { Size = (uint)sizeof(SaCacheOptions), Capacity = 100 };
        api.Ok(api.CacheCreate(attention, &cacheOptions, &cache));
        api.Ok(api.PlanCreate(attention, 1, 100, &plan));
        api.Ok(api.CancellationCreate(&cancellation));
        api.Ok(api.WorkersCreate(1, &workers));
        Expect(api.CacheTruncate(attention, 0), "cache is the handle of a attention");
        Expect(api.PlanFree(cache), "plan is the handle of a cache");
        Expect(api.CacheTruncate(0, 0), "cache is null");
        Expect(api.CacheTruncate(cache + 1, 0), "cache is no handle");
        Expect(api.CacheTruncate(cache + (cache << 8), 0), "cache is no handle");
        Expect(api.CacheTruncate(-1, 0), "cache is no handle");
        Expect(api.CancellationRequest((nint)(&plan)), "cancellation is no handle");
        foreach (SaStatus status in (SaStatus[])
            [api.AttentionFree(0), api.CacheFree(0), api.PlanFree(0), api.CancellationFree(0), api.WorkersFree(0), api.BackendFree(0), api.ProfileFree(0)])
        {
            Assert.Equal(SaStatus.Ok, status);
        }

        nint freed = cache;
        api.Ok(api.CacheFree(cache));
        Expect(api.CacheFree(freed), "freed");
        api.Ok(api.CacheCreate(attention, &cacheOptions, &cache));       // in the same slot, with another number
        Assert.NotEqual(freed, cache);
        Expect(api.CacheTruncate(freed, 0), "freed");
        api.Ok(api.CacheTruncate(cache, 0));
        api.Ok(api.AttentionFree(attention));
        Expect(api.AttentionFree(attention), "freed");
        api.Ok(api.CacheFree(cache));
        api.Ok(api.PlanFree(plan));
        api.Ok(api.CancellationFree(cancellation));
        api.Ok(api.WorkersFree(workers));

        void Expect(SaStatus status, string part)
        {
            Assert.Equal(SaStatus.Handle, status);
            Assert.Contains(part, api.LastError, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Caches_and_plans_refuse_what_does_not_fit()
    {
        using var data = new AbiCase();
        SaAttentionOptions options = data.Options, baseline = data.Options with { Mode = 5 };
        SaCacheOptions cacheOptions = new() { Size = (uint)sizeof(SaCacheOptions), Capacity = 300 };
        nint attention, other, cache, plan, none;
        api.Ok(api.AttentionCreate(0, &options, &attention));
        api.Ok(api.AttentionCreate(0, &baseline, &other));
        Assert.Equal(SaStatus.NotSupported, api.CacheCreate(other, &cacheOptions, &none));
        api.Ok(api.CacheCreate(attention, &cacheOptions, &cache));
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        Assert.Equal(SaStatus.Argument, api.CacheCompute(cache, &q, &o, 1, null));
        Assert.Contains("the cache is empty", api.LastError, StringComparison.Ordinal);
        api.Ok(api.CacheAppend(cache, &k, &v, 200));
        Assert.Equal(SaStatus.Capacity, api.CacheAppend(cache, &k, &v, 101));
        Assert.Contains("101 keys do not fit: the cache has 200 of 300", api.LastError, StringComparison.Ordinal);
        Assert.Equal(SaStatus.Argument, api.CacheTruncate(cache, 201));
        Assert.Equal(SaStatus.Argument, api.CacheCompute(cache, &q, &o, 201, null));
        api.Ok(api.PlanCreate(attention, 70, 300, &plan));
        Assert.Equal(SaStatus.Argument, api.PlanComputeCached(plan, cache, &q, &o, null));
        api.Ok(api.PlanCompute(plan, &q, &k, &v, &o, null));
        cacheOptions.Capacity = 0;
        Assert.Equal(SaStatus.Argument, api.CacheCreate(attention, &cacheOptions, &none));
        cacheOptions.Capacity = int.MaxValue;
        Assert.Equal(SaStatus.Memory, api.CacheCreate(attention, &cacheOptions, &none));
        foreach (nint handle in (nint[])[attention, other])
        {
            api.Ok(api.AttentionFree(handle));
        }

        api.Ok(api.PlanFree(plan));
        api.Ok(api.CacheFree(cache));
    }

    [Fact]
    public void A_backend_that_is_not_there_is_named()
    {
        nint backend = 1;
        fixed (byte* path = "/no/such/libQnnHtp.so\0"u8, notUtf8 = "\xFF\xFE\0"u8.ToArray().Prepend((byte)0xFF).ToArray(), soft = "soft\0"u8)
        {
            Assert.Equal(SaStatus.BackendLoad, api.BackendOpen(path, null, &backend));
            Assert.Equal(0, backend);
            Assert.Contains("/no/such/libQnnHtp.so", api.LastError, StringComparison.Ordinal);
            Assert.Equal(SaStatus.Argument, api.BackendOpen(null, null, &backend));
            Assert.Equal(SaStatus.Argument, api.BackendOpen(notUtf8, null, &backend));
            Assert.Contains("path is no UTF-8", api.LastError, StringComparison.Ordinal);
            SaBackendOptions options = new() { Size = (uint)sizeof(SaBackendOptions), Power = 4 };
            Assert.Equal(SaStatus.Argument, api.BackendOpen(soft, &options, &backend));
            Assert.Contains("power is 4", api.LastError, StringComparison.Ordinal);
            options = options with { Power = 0, RpcPollingUs = 100 };
            Assert.Equal(SaStatus.Argument, api.BackendOpen(soft, &options, &backend));
            options = options with { Power = 1 };
            api.Ok(api.BackendOpen(soft, &options, &backend));
        }

        byte* text = stackalloc byte[64];
        nuint required;
        api.Ok(api.BackendDescribe(backend, text, 64, &required));
        string description = Marshal.PtrToStringUTF8((nint)text)!;
        Assert.StartsWith("SOFTHTP", description, StringComparison.Ordinal);
        Assert.Equal((nuint)Encoding.UTF8.GetByteCount(description) + 1, required);
        api.Ok(api.BackendDescribe(backend, text, 8, null));
        Assert.Equal(description[..7], Marshal.PtrToStringUTF8((nint)text));
        api.Ok(api.BackendDescribe(backend, null, 0, &required));
        Assert.Equal(SaStatus.Argument, api.BackendDescribe(backend, null, 8, &required));
        api.Ok(api.BackendFree(backend));
    }

    [Fact]
    public void The_last_error_belongs_to_the_thread()
    {
        Assert.Equal(SaStatus.Handle, api.CacheTruncate(5, 0));
        string mine = api.LastError;
        string others = "?";
        var thread = new Thread(() =>
        {
            others = api.LastError;
            Assert.Equal(SaStatus.Argument, api.UsageGet(null));
        });
        thread.Start();
        thread.Join();
        Assert.Equal(string.Empty, others);
        Assert.Equal(mine, api.LastError);
        Assert.StartsWith("sa_cache_truncate: ", mine, StringComparison.Ordinal);
    }

    [Fact]
    public void Instruction_sets_and_names()
    {
        Assert.Equal(ShadowAttn.Kernels.InstructionSets.Name(ShadowAttn.Kernels.InstructionSets.Active), Marshal.PtrToStringUTF8((nint)api.Isa()));
        fixed (byte* scalar = "scalar\0"u8, unknown = "sse9\0"u8)
        {
            Assert.Equal((1, 0, 0), (api.IsaSupported(scalar), api.IsaSupported(unknown), api.IsaSupported(null)));
        }

        Assert.Equal("SA_ERROR_UNKNOWN", Marshal.PtrToStringUTF8((nint)api.ErrorName(-5)));
    }

    [Fact]
    public void Log_lines_go_to_the_callback_until_it_is_taken_back()
    {
        int lines = 0;
        Assert.Equal(SaStatus.Argument, api.LogSet(&CountLine, &lines, 0));
        api.Ok(api.LogSet(&CountLine, &lines, 1));
        OpenAndPrepare();
        api.Ok(api.LogSet(null, null, 1));
        int before = lines;
        Assert.True(before > 0);
        OpenAndPrepare();
        Assert.Equal(before, lines);
    }

    private void OpenAndPrepare()
    {
        nint backend, attention, plan;
        using var data = new AbiCase();
        SaAttentionOptions options = data.Options;
        fixed (byte* soft = "soft\0"u8)
        {
            api.Ok(api.BackendOpen(soft, null, &backend));
        }

        api.Ok(api.AttentionCreate(backend, &options, &attention));
        api.Ok(api.PlanCreate(attention, 1, 64, &plan));
        api.Ok(api.PlanFree(plan));
        api.Ok(api.AttentionFree(attention));
        api.Ok(api.BackendFree(backend));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void CountLine(void* user, int level, byte* message)
    {
        if (level is >= 1 and <= 5 && *message != 0)
        {
            ++*(int*)user;
        }
    }
}
