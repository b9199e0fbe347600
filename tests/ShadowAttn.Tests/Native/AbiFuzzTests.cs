using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Memory;
using ShadowAttn.Native;
using Xunit;

namespace ShadowAttn.Tests.Native;

/// <summary>
/// Hostile callers: eight threads make random calls, valid and invalid, on handles that they share, that are freed twice, used after their end, of another
/// kind or random numbers; tensors end at a guard page. Nothing crashes, every failure is a code, and in the end nothing is left.
/// </summary>
[Collection(ProcessStateCollection.Name)]
public unsafe class AbiFuzzTests
{
    private const int Threads = 8;
    private const int MaxRows = 80;
    private const int Heads = 4;

    [Fact]
    public void Calls_of_this_process_s_functions() => Run(SaApi.InProcess, Emulation.IsEmulated ? 4_000 : 30_000, seed: 1);

    [Fact]
    public void Calls_of_the_library() => Run(SaApi.Library(), 200_000, seed: 2);

    private static void Run(SaApi api, int calls, int seed)
    {
        SaUsage before = api.Usage();
        var handles = new ConcurrentDictionary<int, (nint Handle, int Kind)>();
        var failures = new ConcurrentQueue<string>();
        long[] counts = new long[15];
        Thread[] threads =
        [
            .. Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
            {
                try
                {
                    using var caller = new Caller(api, new Random((seed * 100) + thread), handles);
                    for (int i = 0; i < calls / Threads; i++)
                    {
                        SaStatus status = caller.Step();
                        Interlocked.Increment(ref counts[(int)status]);
                        if (status is SaStatus.Internal || !Enum.IsDefined(status))
                        {
                            failures.Enqueue($"thread {thread}, call {i}: {status}: {api.LastError}");
                        }
                    }
                }
                catch (Exception e)
                {
                    failures.Enqueue(e.ToString());
                }
            })),
        ];
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.Empty(failures);

        // What is left is freed once, and nothing of it remains.
        foreach ((nint handle, int kind) in handles.Values)
        {
            Caller.Free(api, handle, kind);
        }

        SaUsage after = api.Usage();
        Assert.Equal((before.Handles, before.Buffers, before.Bytes), (after.Handles, after.Buffers, after.Bytes));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", counts.Select((n, i) => $"{(SaStatus)i} {n}")));
        Assert.True(counts[(int)SaStatus.Ok] > calls / 10, "hardly any call was valid");
        Assert.True(counts[(int)SaStatus.Handle] > calls / 50 && counts[(int)SaStatus.Argument] > calls / 50, "hardly any call was invalid");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnHead(void* user, uint head) => Interlocked.Increment(ref *(long*)user);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnLog(void* user, int level, byte* message)
    {
    }

    /// <summary>One thread with its random numbers and its tensors.</summary>
    private sealed class Caller : IDisposable
    {
        private const int Dim = 16;
        private const int Kinds = 7;
        private const int MaxShared = 48;

        private readonly SaApi api;
        private readonly Random random;
        private readonly ConcurrentDictionary<int, (nint Handle, int Kind)> handles;
        private readonly UnmanagedBuffer[] tensors;
        private readonly nint[] old = new nint[32];
        private readonly long[] heads = GC.AllocateArray<long>(1, pinned: true);
        private int nextOld;

        public Caller(SaApi api, Random random, ConcurrentDictionary<int, (nint Handle, int Kind)> handles)
        {
            this.api = api;
            this.random = random;
            this.handles = handles;
            tensors = [.. Enumerable.Range(0, 4).Select(_ => UnmanagedBuffer.AllocateGuarded(Heads * MaxRows * Dim * sizeof(float), alignment: 4))];
            foreach (UnmanagedBuffer tensor in tensors)
            {
                foreach (ref float x in tensor.AsSpan<float>(0, Heads * MaxRows * Dim))
                {
                    x = (float)(random.NextDouble() - 0.5);
                }
            }
        }

        public static SaStatus Free(SaApi api, nint handle, int kind) => kind switch
        {
            0 => api.BackendFree(handle),
            1 => api.WorkersFree(handle),
            2 => api.ProfileFree(handle),
            3 => api.AttentionFree(handle),
            4 => api.CacheFree(handle),
            5 => api.PlanFree(handle),
            _ => api.CancellationFree(handle),
        };

        public SaStatus Step() => random.Next(40) switch
        {
            0 => OpenBackend(),
            1 => Create(1, handle => api.WorkersCreate((uint)Odd(random.Next(1, 3), 100_000, -1), handle)),
            2 => CreateProfile(),
            3 or 4 or 5 => CreateAttention(),
            6 or 7 or 8 => CreateCache(),
            9 or 10 => Create(5, plan => random.Next(2) == 0
                ? api.PlanCreate(Any(3), Rows(), Rows(), plan)
                : api.PlanCreateCached(Any(4), Rows(), plan)),
            11 => Create(6, handle => api.CancellationCreate(handle)),
            12 or 13 or 14 => FreeOne(),
            15 => api.CancellationRequest(Any(6)),
            16 or 17 => api.CancellationReset(Any(6)),
            18 => api.CacheTruncate(Any(4), (uint)Odd(random.Next(MaxRows), -1, 1000)),
            19 => GetSmallThings(),
            20 => api.LogSet(random.Next(2) == 0 ? null : &OnLog, null, random.Next(-1, 9)),
            < 27 => Append(),
            < 34 => Compute(cached: true),
            _ => Compute(cached: false),
        };

        public void Dispose() => Array.ForEach(tensors, t => t.Dispose());

        // Mostly what was asked for, now and then one of the others.
        private int Odd(int usual, params ReadOnlySpan<int> others) => random.Next(12) == 0 ? others[random.Next(others.Length)] : usual;

        private uint Rows() => (uint)Odd(random.Next(1, 40), 0, -1);

        private nint Any(int kind)
        {
            switch (random.Next(16))
            {
                case 0:
                    return 0;
                case 1:
                    return (nint)random.NextInt64();
                case 2:
                    return old[random.Next(old.Length)];
                case 3:
                    kind = random.Next(Kinds);
                    break;
                case 4:
                    return handles.TryGetValue(random.Next(MaxShared), out (nint Handle, int Kind) any) ? any.Handle + random.Next(-1, 2) : -1;
            }

            for (int tries = 0; tries < 24; tries++)
            {
                if (handles.TryGetValue(random.Next(MaxShared), out (nint Handle, int Kind) found) && found.Kind == kind)
                {
                    return found.Handle;
                }
            }

            return 0;
        }

        private delegate SaStatus Maker(nint* handle);

        private SaStatus Create(int kind, Maker make)
        {
            if (random.Next(30) == 0)
            {
                return make(null);
            }

            nint handle = 1;
            SaStatus status = make(&handle);
            if (status != SaStatus.Ok)
            {
                // On failure there is no handle.
                return handle == 0 ? status : SaStatus.Internal;
            }

            // The shared places are few: what was there is freed, by this thread or by another that still had it.
            int place = random.Next(MaxShared);
            (nint Handle, int Kind) displaced = default;
            (nint Handle, int Kind) made = (handle, kind);
            handles.AddOrUpdate(place, made, (_, there) =>
            {
                displaced = there;
                return made;
            });
            if (displaced.Handle != 0)
            {
                Remember(displaced.Handle);
                Free(api, displaced.Handle, displaced.Kind);
            }

            return status;
        }

        private void Remember(nint handle) => old[nextOld++ % old.Length] = handle;

        private SaStatus FreeOne()
        {
            int kind = random.Next(Kinds);
            nint handle = Any(kind);
            Remember(handle);
            SaStatus status = Free(api, handle, Odd(kind, 0, 1, 2, 3, 4, 5, 6));
            if (random.Next(4) == 0 && handle != 0)
            {
                // A second time: only another thread's free may come between, never success.
                SaStatus again = Free(api, handle, kind);
                if (status == SaStatus.Ok && again == SaStatus.Ok)
                {
                    return SaStatus.Internal;
                }
            }

            return status;
        }

        private SaStatus OpenBackend()
        {
            SaBackendOptions options = new()
            {
                Size = (uint)Odd(sizeof(SaBackendOptions), 0, 8, 9999), Threads = (uint)Odd(1, 5000), Power = Odd(0, 1, 3, 9, -1), RpcPollingUs = (uint)Odd(0, 100, -1),
            };
            ReadOnlySpan<byte> name = random.Next(6) switch { 0 => "/no/such.so\0"u8, 1 => "\0"u8, _ => "soft\0"u8 };
            fixed (byte* path = name)
            {
                nint pathPointer = random.Next(20) == 0 ? 0 : (nint)path, optionsPointer = random.Next(3) == 0 ? 0 : (nint)(&options);
                return Create(0, handle => api.BackendOpen((byte*)pathPointer, (SaBackendOptions*)optionsPointer, handle));
            }
        }

        private SaStatus CreateProfile()
        {
            ReadOnlySpan<byte> text = random.Next(3) switch { 0 => "{}"u8, 1 => Profile, _ => "{\"version\":1,"u8 };
            fixed (byte* json = text)
            {
                nint pointer = random.Next(20) == 0 ? 0 : (nint)json;
                nuint length = (nuint)text.Length;
                return Create(2, handle => api.ProfileParse((void*)pointer, length, handle));
            }
        }

        private static ReadOnlySpan<byte> Profile =>
            """
            {"version":1,"heads":4,"kv_heads":2,"head_dim":16,"min_keys":4,"layers":[{"layer":0,"dense":false,"keep":[0.1,0.2,0.3,1],"captured_mass":0.9,
            "key_mean":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]],
            "key_variance":[[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]],"key_abs_max":[1,1]}]}
            """u8;

        private SaStatus CreateAttention()
        {
            float* perHead = stackalloc float[] { 0.5f, 0.25f, Odd(0, 1, -1) + 0.125f, 1 };
            SaAttentionOptions options = new()
            {
                Size = (uint)Odd(sizeof(SaAttentionOptions), 0, 4, 111, 120, 5000, -1),
                Heads = (uint)Odd(Heads, 0, 3, -1, 100_000), KvHeads = (uint)Odd(2, 0, -1), HeadDim = (uint)Odd(Dim, 0, 5000, -1),
                Mode = Odd(random.Next(4), 5, 6, 4, 7, -1), Tail = Odd(random.Next(4), 9, -1), Mask = Odd(random.Next(2), 2, -1), Exact = Odd(0, 1, 2, 3, 4, -1),
                Keep = Odd(0, 1, 2, -1) * 0.5f, Mass = Odd(0, 1, -1) * 0.9f, Scale = Odd(0, 1) * float.NaN, MinKeys = (uint)Odd(4, 0, 1, -1),
                SlidingWindow = (uint)Odd(0, 10, -1), Sinks = (uint)Odd(0, 2, -1), LocalWindow = (uint)Odd(0, 3, -1),
                Threads = (uint)Odd(1, 2, 300, -1), MaxPlans = (uint)Odd(2, 0, 1, -1), Layer = (uint)Odd(0, 7, -1), Crossover = Odd(1, 0, 2), Reserved = Odd(0, 1),
                KeepPerHead = Odd(0, 1) == 1 ? perHead : null, AlibiSlopes = Odd(0, 1) == 1 ? perHead : null,
                Workers = random.Next(6) == 0 ? Any(1) : 0, Profile = random.Next(8) == 0 ? Any(2) : 0,
            };
            if (options.Workers != 0)
            {
                options.Threads = 0;
            }

            if (float.IsNaN(options.Scale) && options.Mode != 3)
            {
                options.Scale = 0;
            }

            nint backend = options.Mode is 2 or 3 ? 0 : Any(0), pointer = random.Next(30) == 0 ? 0 : (nint)(&options);
            return Create(3, handle => api.AttentionCreate(backend, (SaAttentionOptions*)pointer, handle));
        }

        private SaStatus CreateCache()
        {
            SaCacheOptions options = new()
            {
                Size = (uint)Odd(sizeof(SaCacheOptions), 0, 8, 5000), Capacity = (uint)Odd(random.Next(1, 2 * MaxRows), 0, -1, int.MaxValue), Dtype = Odd(random.Next(4), 4, -1),
                Reserved = Odd(0, 1),
            };
            nint attention = Any(3), pointer = random.Next(30) == 0 ? 0 : (nint)(&options);
            return Create(4, handle => api.CacheCreate(attention, (SaCacheOptions*)pointer, handle));
        }

        private SaStatus GetSmallThings()
        {
            SaUsage usage = new() { Size = (uint)Odd(sizeof(SaUsage), 0, 4, 100, 9999) };
            byte* text = stackalloc byte[16];
            uint number;
            switch (random.Next(6))
            {
                case 0:
                    return usage.Size == 100 ? SaStatus.Ok : api.UsageGet(random.Next(10) == 0 ? null : &usage);
                case 1:
                    return api.BackendDescribe(Any(0), random.Next(5) == 0 ? null : text, (nuint)random.Next(17), null);
                case 2:
                    return api.AttentionGetThreads(Any(3), random.Next(10) == 0 ? null : &number);
                case 3:
                    SaProfileInfo info = new() { Size = (uint)Odd(sizeof(SaProfileInfo), 0, 4) };
                    return api.ProfileGetInfo(Any(2), random.Next(10) == 0 ? null : &info);
                case 4:
                    return api.CacheGetCount(Any(4), random.Next(2) == 0 ? null : &number, null);
                default:
                    _ = api.LastError;
                    return *api.ErrorName(random.Next()) == 'S' ? SaStatus.Ok : SaStatus.Internal;
            }
        }

        /// <summary>A tensor whose last element is the last before the guard page.</summary>
        private SaTensor Tensor(int which, int heads, uint rows)
        {
            int dtype = Odd(random.Next(4) == 0 ? random.Next(1, 3) : 0, 3, -1);
            int bytes = dtype is 1 or 2 ? 2 : 4;
            int used = (int)Math.Min(rows, MaxRows) * heads * Dim * bytes;
            SaTensor tensor = new() { Data = (byte*)tensors[which].Pointer + tensors[which].ByteLength - used, Dtype = dtype };
            switch (random.Next(60))
            {
                case 0:
                    return tensor with { Data = null };
                case 1:
                    return tensor with { Data = (byte*)tensor.Data + 1 };
                case 2:
                    return tensor with { RowStride = random.Next(-5, Dim) is var stride && stride != 0 ? stride : -1 };
                case 3:
                    return tensor with { HeadStride = random.Next(2) == 0 ? long.MinValue : long.MaxValue };
                case 4:
                    return tensor with { Reserved = 5 };
                default:
                    return tensor;
            }
        }

        private SaStatus Append()
        {
            uint rows = (uint)random.Next(1, 30);
            SaTensor k = Tensor(1, 2, rows), v = Tensor(2, 2, rows);

            // More rows than there is memory for only where the cache must refuse them.
            uint said = (uint)Odd((int)rows, 0, -1, 1000);
            return api.CacheAppend(Any(4), random.Next(40) == 0 ? null : &k, random.Next(40) == 0 ? null : &v, said);
        }

        private SaStatus Compute(bool cached)
        {
            uint queries = (uint)random.Next(1, 12), keys = (uint)random.Next(12, MaxRows);
            SaTensor q = Tensor(0, Heads, queries), o = Tensor(3, Heads, queries), k = Tensor(1, 2, keys), v = Tensor(2, 2, keys);
            SaStats stats = new() { Size = (uint)Odd(sizeof(SaStats), 0, 80, 79, 9999) };
            SaCall call = new()
            {
                Size = (uint)Odd(sizeof(SaCall), 0, 8, 9999), Reserved = (uint)Odd(0, 1), Cancellation = random.Next(4) == 0 ? Any(6) : 0,
                Stats = random.Next(2) == 0 ? &stats : null, HeadCompleted = random.Next(6) == 0 ? &OnHead : null,
                HeadUser = Unsafe.AsPointer(ref heads[0]),
            };
            SaCall* given = random.Next(3) == 0 ? null : &call;
            SaTensor* query = random.Next(50) == 0 ? null : &q;
            SaTensor* output = random.Next(50) == 0 ? null : &o;
            if (cached)
            {
                return api.CacheCompute(Any(4), query, output, queries, given);
            }

            if (random.Next(6) == 0)
            {
                // A plan's shape is its own: at most 39 queries and keys, which the whole tensors have room for.
                SaTensor whole(int which) => new() { Data = tensors[which].Pointer };
                SaTensor a = whole(0), b = whole(1), c = whole(2), d = whole(3);
                return random.Next(2) == 0
                    ? api.PlanCompute(Any(5), &a, &b, &c, &d, given)
                    : api.PlanComputeCached(Any(5), Any(4), &a, &d, given);
            }

            return api.AttentionCompute(
                Any(3), query, random.Next(50) == 0 ? null : &k, random.Next(50) == 0 ? null : &v, output, queries, keys, given);
        }
    }
}
