using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Native;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>
/// What the C interface computes is what the operator computes; through the functions of this process, and through the library where it is there.
/// </summary>
public unsafe class AbiTests
{
    public static TheoryData<bool> Both => [false, true];

    private static SaApi Api(bool library) => library ? SaApi.Library() : SaApi.InProcess;

    private static nint Attention(SaApi api, SaAttentionOptions options, nint backend = 0)
    {
        nint attention;
        api.Ok(api.AttentionCreate(backend, &options, &attention));
        Assert.NotEqual(0, attention);
        return attention;
    }

    private static nint Cache(SaApi api, nint attention, uint capacity, int dtype)
    {
        SaCacheOptions options = new() { Size = (uint)sizeof(SaCacheOptions), Capacity = capacity, Dtype = dtype };
        nint cache;
        api.Ok(api.CacheCreate(attention, &options, &cache));
        return cache;
    }

    // A library that was compiled ahead of time has other kernels where the runtime knows AVX-512: sums are then rounded differently.
    private static void AssertSame(bool library, float[] expected, float[] actual)
    {
        if (!library)
        {
            Assert.Equal(expected, actual);
            return;
        }

        double difference = 0, norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(expected[i] - (double)actual[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        Assert.InRange(Math.Sqrt(difference / norm), 0, 1e-3);
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Prefill_is_what_the_operator_computes(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase(padding: 3);
        float[] expected = data.Expected();
        nint attention = Attention(api, data.Options);
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        SaStats stats = new() { Size = (uint)sizeof(SaStats) };
        SaCall call = new() { Size = (uint)sizeof(SaCall), Stats = &stats };
        long allocated = long.MaxValue;
        for (int repeat = 0; repeat < 8; repeat++)
        {
            data.ClearOutput();
            api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
            AssertSame(library, expected, data.Data.Output());

            // The runtime makes an object for a lock that threads first meet at, whichever call that is.
            allocated = Math.Min(allocated, stats.AllocatedBytes);
        }

        Assert.Equal(0, allocated);
        Assert.Equal(0, stats.BytesCopied);
        Assert.Equal(2u, stats.Threads);
        Assert.InRange(stats.KeptKeys, 1, stats.VisibleKeys - 1);
        Assert.InRange(stats.OperatorCount, 1u, 12u);
        Assert.Equal("quantize", Marshal.PtrToStringUTF8((nint)(&stats.Operators)));
        api.Ok(api.AttentionFree(attention));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void The_backend_in_software_scores_the_keys(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase();
        using SoftHtpBackend soft = SoftHtpBackend.Create();
        using QnnLibrary softLibrary = soft.CreateLibrary();
        using QnnBackend managed = QnnBackend.Open(softLibrary);
        float[] expected = data.Expected(o => o with { Mode = AttentionMode.Shadow }, managed);
        nint backend;
        fixed (byte* path = "soft\0"u8)
        {
            SaBackendOptions options = new() { Size = (uint)sizeof(SaBackendOptions), Threads = 1 };
            api.Ok(api.BackendOpen(path, &options, &backend));
        }

        nint attention = Attention(api, data.Options, backend);
        api.Ok(api.BackendFree(backend));                    // the attention keeps it alive
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        SaStats stats = new() { Size = (uint)sizeof(SaStats) };
        SaCall call = new() { Size = (uint)sizeof(SaCall), Stats = &stats };
        api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        AssertSame(library, expected, data.Data.Output());
        SaStats copy = stats;
        Assert.Contains(Enumerable.Range(0, (int)copy.OperatorCount), i => copy.Operators[i].Device == 1);
        api.Ok(api.AttentionFree(attention));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 2)]
    [InlineData(true, 1)]
    public void Tensors_of_sixteen_bits(bool library, int dtype)
    {
        SaApi api = Api(library);
        using var data = new AbiCase(padding: 2);
        using KvTensor q16 = KvTensor.Convert(data.Data.Q, Format(dtype)), k16 = KvTensor.Convert(data.Data.K, Format(dtype));
        using KvTensor v16 = KvTensor.Convert(data.Data.V, Format(dtype));
        nint attention = Attention(api, data.Options);
        SaTensor o = data.O;

        // The same numbers in fp32 are what it is compared with.
        SaTensor q = Data(q16, dtype), k = Data(k16, dtype), v = Data(v16, dtype);
        SaStats stats = new() { Size = (uint)sizeof(SaStats) };
        int heads = 0;
        SaCall call = new() { Size = (uint)sizeof(SaCall), Stats = &stats };
        api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        float[] floats = data.Data.Output();
        for (int head = 0; head < data.Options.Heads; head++)
        {
            for (int query = 0; query < data.Queries; query++)
            {
                for (int d = 0; d < 64; d++)
                {
                    data.Data.Q[head, query, d] = q16.View.Rows(head).At(query, d);
                }
            }
        }

        using (var managed = new ShadowAttention(null, data.Data.Options))
        {
            managed.Compute(data.Data.Q, k16.View, v16.View, data.Data.O);
        }

        AssertSame(library, data.Data.Output(), floats);

        var halves = new ushort[floats.Length];
        fixed (ushort* room = halves)
        {
            SaTensor o16 = new() { Data = room, Dtype = dtype };
            api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o16, data.Queries, data.Keys, &call));
            Assert.Equal(floats.Length * 6, stats.BytesCopied);
            Assert.Equal(floats.Select(f => Bits(f, dtype)), halves);
            Array.Clear(halves);
            call.HeadCompleted = &CountHead;
            call.HeadUser = &heads;
            api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o16, data.Queries, data.Keys, &call));
            Assert.Equal(floats.Select(f => Bits(f, dtype)), halves);
        }

        Assert.Equal((int)data.Options.Heads, heads);
        api.Ok(api.AttentionFree(attention));

        static ushort Bits(float f, int dtype) => dtype == 1
            ? BitConverter.HalfToUInt16Bits((Half)f)
            : (ushort)((BitConverter.SingleToUInt32Bits(f) + 0x7FFF + ((BitConverter.SingleToUInt32Bits(f) >> 16) & 1)) >> 16);

        static ShadowAttn.Kernels.KvFormat Format(int dtype) => dtype == 1 ? ShadowAttn.Kernels.KvFormat.F16 : ShadowAttn.Kernels.KvFormat.BF16;

        static SaTensor Data(KvTensor t, int dtype) => new() { Data = t.View.Rows(0).Data, Dtype = dtype };
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void CountHead(void* user, uint head) => Interlocked.Increment(ref *(int*)user);

    [Theory]
    [MemberData(nameof(Both))]
    public void Decode_through_a_cache_and_a_plan(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase(queries: 40);
        nint attention = Attention(api, data.Options);
        nint cache = Cache(api, attention, 400, 0);
        float[] expected;
        using (var managed = new ShadowAttention(null, data.Data.Options))
        using (KvCache managedCache = managed.CreateCache(400))
        {
            managedCache.Append(data.Data.K, data.Data.V);
            managed.Compute(data.Data.Q, managedCache, data.Data.O);
            expected = data.Data.Output();
        }

        SaTensor k = AbiCase.Rows(data.Data.K, 0, 299), v = AbiCase.Rows(data.Data.V, 0, 299), q = data.Q, o = data.O;
        SaTensor lastK = AbiCase.Rows(data.Data.K, 299, 1), lastV = AbiCase.Rows(data.Data.V, 299, 1);
        api.Ok(api.CacheAppend(cache, &k, &v, 299));
        api.Ok(api.CacheAppend(cache, &lastK, &lastV, 1));
        uint count, capacity;
        api.Ok(api.CacheGetCount(cache, &count, &capacity));
        Assert.Equal((300u, 400u), (count, capacity));
        data.ClearOutput();
        api.Ok(api.CacheCompute(cache, &q, &o, 40, null));
        AssertSame(library, expected, data.Data.Output());

        api.Ok(api.CacheTruncate(cache, 299));
        api.Ok(api.CacheAppend(cache, &lastK, &lastV, 1));
        nint plan;
        api.Ok(api.PlanCreateCached(cache, 40, &plan));
        data.ClearOutput();
        SaStats stats = new() { Size = (uint)sizeof(SaStats) };
        SaCall call = new() { Size = (uint)sizeof(SaCall), Stats = &stats };
        api.Ok(api.PlanComputeCached(plan, cache, &q, &o, &call));
        AssertSame(library, expected, data.Data.Output());
        long allocated = long.MaxValue;
        for (int repeat = 0; repeat < 8; repeat++)
        {
            api.Ok(api.PlanComputeCached(plan, cache, &q, &o, &call));
            allocated = Math.Min(allocated, stats.AllocatedBytes);
        }

        Assert.Equal(0, allocated);

        // In any order; what uses something keeps it alive.
        api.Ok(api.AttentionFree(attention));
        api.Ok(api.CacheCompute(cache, &q, &o, 40, null));
        api.Ok(api.CacheFree(cache));
        api.Ok(api.PlanFree(plan));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Options_reach_the_operator(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase(queries: 60, keys: 280);
        float[] slopes = [0.5f, 0.25f, 0.125f, 0.0625f], shares = [0.1f, 0.2f, 0.3f, 1f];
        (Func<SaAttentionOptions, SaAttentionOptions>, Func<AttentionOptions, AttentionOptions>)[] cases =
        [
            (o => o with { Mode = 3 }, o => o with { Mode = AttentionMode.Dense }),
            (o => o with { Crossover = 0 }, o => o with { Crossover = true }),
            (o => o with { Mode = 5 }, o => o with { Mode = AttentionMode.SparseCpu }),
            (o => o with { Mode = 6 }, o => o with { Mode = AttentionMode.BlockSparse }),
            (o => o with { Keep = 0.1f, MinKeys = 1, Tail = 1 }, o => o with { Keep = KeepRatio.Share(0.1), MinKeys = 1, Tail = TailCompensation.None }),
            (o => o with { Mass = 0.9f, Tail = 2 }, o => o with { Keep = KeepRatio.Mass(0.9), Tail = TailCompensation.Mean }),
            (o => o with { Mask = 1, Scale = 0.05f }, o => o with { Causal = false, Scale = 0.05f }),
            (o => o with { SlidingWindow = 100, Sinks = 3, LocalWindow = 5 }, o => o with { SlidingWindow = 100, Sinks = 3, LocalWindow = 5 }),
            (o => o with { Exact = 1, Threads = 1 }, o => o with { ExactTopK = ExactTopK.Sure, Threads = 1 }),
        ];
        fixed (float* slope = slopes, share = shares)
        {
            nint slopePointer = (nint)slope, sharePointer = (nint)share;
            cases =
            [
                .. cases,
                (o => o with { AlibiSlopes = (float*)slopePointer }, o => o with { AlibiSlopes = slopes }),
                (o => o with { KeepPerHead = (float*)sharePointer }, o => o with { KeepPerHead = new double[] { 0.1, 0.2, 0.3, 1 } }),
            ];
            foreach ((Func<SaAttentionOptions, SaAttentionOptions> c, Func<AttentionOptions, AttentionOptions> managed) in cases)
            {
                float[] expected = data.Expected(managed);
                nint attention = Attention(api, c(data.Options));
                SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
                data.ClearOutput();
                nint plan;
                api.Ok(api.PlanCreate(attention, data.Queries, data.Keys, &plan));
                api.Ok(api.PlanCompute(plan, &q, &k, &v, &o, null));
                AssertSame(library, expected, data.Data.Output());
                api.Ok(api.PlanFree(plan));
                api.Ok(api.AttentionFree(attention));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void A_profile_gives_each_head_its_ratio(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase();
        KeyStatistics statistics = KeyStatistics.Measure(data.Data.K);
        float[][] Rows(ReadOnlyMemory<float> numbers) => [numbers[..64].ToArray(), numbers[64..].ToArray()];
        LayerProfile layer = new()
        {
            Layer = 3, Dense = false, Keep = [0.1, 0.2, 0.3, 0.4], CapturedMass = 0.9,
            KeyMean = Rows(statistics.Mean), KeyVariance = Rows(statistics.Variance), KeyAbsMax = statistics.AbsMax.ToArray(),
        };
        CalibrationProfile profile = new() { Version = 1, Heads = 4, KvHeads = 2, HeadDim = 64, MinKeys = 8, Layers = [layer, layer with { Layer = 5, Dense = true }] };
        using var stream = new MemoryStream();
        profile.Write(stream);
        using var folder = new TemporaryFolder();
        string file = folder.Write("profile.json", stream.ToArray());
        nint handle, parsed, none;
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes(file + "\0"), json = stream.ToArray())
        {
            api.Ok(api.ProfileLoad(path, &handle));
            api.Ok(api.ProfileParse(json, (nuint)stream.Length, &parsed));
            Assert.Equal(SaStatus.Format, api.ProfileParse(json, (nuint)stream.Length - 2, &none));
            Assert.Equal(0, none);
            api.Ok(api.ProfileFree(parsed));
            File.Delete(file);
            Assert.Equal(SaStatus.File, api.ProfileLoad(path, &parsed));
            Assert.Contains("profile.json", api.LastError, StringComparison.Ordinal);
        }

        SaProfileInfo info = new() { Size = (uint)sizeof(SaProfileInfo) };
        api.Ok(api.ProfileGetInfo(handle, &info));
        Assert.Equal((4u, 2u, 64u, 8u, 2u, 3u, 5u), (info.Heads, info.KvHeads, info.HeadDim, info.MinKeys, info.Layers, info.FirstLayer, info.LastLayer));
        foreach (uint number in (uint[])[3, 5])
        {
            using var managed = new ShadowAttention(null, profile.Apply(data.Data.Options, (int)number));
            using KvCache managedCache = managed.CreateCache(300, statistics: layer.Statistics());
            managedCache.Append(data.Data.K, data.Data.V);
            managed.Compute(data.Data.Q, managedCache, data.Data.O);
            float[] expected = data.Data.Output();

            nint attention = Attention(api, data.Options with { Profile = handle, Layer = number });
            nint cache = Cache(api, attention, 300, 0);
            SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
            api.Ok(api.CacheAppend(cache, &k, &v, data.Keys));
            data.ClearOutput();
            api.Ok(api.CacheCompute(cache, &q, &o, data.Queries, null));
            AssertSame(library, expected, data.Data.Output());
            api.Ok(api.CacheFree(cache));
            api.Ok(api.AttentionFree(attention));
        }

        SaAttentionOptions wrong = data.Options with { Profile = handle, Layer = 4 };
        Assert.Equal(SaStatus.Argument, api.AttentionCreate(0, &wrong, &parsed));
        Assert.Contains("no layer 4, only 3, 5", api.LastError, StringComparison.Ordinal);
        api.Ok(api.ProfileFree(handle));
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void A_call_is_cancelled_refused_while_another_runs_and_survives_the_end_of_its_handle(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase(queries: 300, keys: 300);
        nint cancellation, attention = Attention(api, data.Options with { Threads = 1 });
        api.Ok(api.CancellationCreate(&cancellation));
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        var gate = new Gate(api, attention, cancellation);
        GCHandle handle = GCHandle.Alloc(gate);
        SaCall call = new() { Size = (uint)sizeof(SaCall), Cancellation = cancellation, HeadCompleted = &OnHead, HeadUser = (void*)GCHandle.ToIntPtr(handle) };

        // The first head's callback: a second call is refused, the wish to stop is heard, and the handle ends before the call does.
        Assert.Equal(SaStatus.Cancelled, api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        Assert.Equal(1, gate.Heads);
        Assert.Equal((SaStatus.Busy, SaStatus.Ok, SaStatus.Ok, SaStatus.Handle), (gate.Second, gate.Request, gate.Free, gate.AfterFree));
        handle.Free();
        Assert.Equal(SaStatus.Handle, api.AttentionFree(attention));

        attention = Attention(api, data.Options);
        call.HeadCompleted = null;
        Assert.Equal(SaStatus.Cancelled, api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        api.Ok(api.CancellationReset(cancellation));
        api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, &call));
        api.Ok(api.AttentionFree(attention));
        api.Ok(api.CancellationFree(cancellation));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnHead(void* user, uint head) => ((Gate)GCHandle.FromIntPtr((nint)user).Target!).Pass();

    private sealed class Gate(SaApi api, nint attention, nint cancellation)
    {
        public int Heads;
        public SaStatus Second, Request, Free, AfterFree;

        public void Pass()
        {
            Heads++;
            nint plan;
            Second = api.PlanCreate(attention, 1, 10, &plan);
            Request = api.CancellationRequest(cancellation);
            Free = api.AttentionFree(attention);
            AfterFree = api.PlanCreate(attention, 1, 10, &plan);
        }
    }

    [Theory]
    [MemberData(nameof(Both))]
    public void Attentions_share_threads(bool library)
    {
        SaApi api = Api(library);
        using var data = new AbiCase();
        float[] expected = data.Expected();
        nint workers;
        api.Ok(api.WorkersCreate(2, &workers));
        nint first = Attention(api, data.Options with { Threads = 0, Workers = workers });
        nint second = Attention(api, data.Options with { Threads = 0, Workers = workers });
        api.Ok(api.WorkersFree(workers));
        uint threads;
        api.Ok(api.AttentionGetThreads(first, &threads));
        Assert.Equal(2u, threads);
        SaTensor q = data.Q, k = data.K, v = data.V, o = data.O;
        foreach (nint attention in (nint[])[first, second])
        {
            data.ClearOutput();
            api.Ok(api.AttentionCompute(attention, &q, &k, &v, &o, data.Queries, data.Keys, null));
            AssertSame(library, expected, data.Data.Output());
            api.Ok(api.AttentionFree(attention));
        }
    }
}
