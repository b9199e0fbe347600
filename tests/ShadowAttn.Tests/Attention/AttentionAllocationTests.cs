using ShadowAttn.Attention;
using ShadowAttn.Interop;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

[Collection(ProcessStateCollection.Name)]
public sealed class AttentionAllocationTests
{
    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.ShadowCpu)]
    [InlineData(AttentionMode.Shadow)]
    [InlineData(AttentionMode.NpuInt8)]
    [InlineData(AttentionMode.Dense, KvFormat.F16)]
    [InlineData(AttentionMode.ShadowCpu, KvFormat.Q16)]
    [InlineData(AttentionMode.Shadow, KvFormat.BF16)]
    public void CallsAllocateNothingAndFreeEverything(AttentionMode mode, KvFormat format = KvFormat.F32)
    {
        LiveAllocations live = UnmanagedBuffer.Live;
        using (SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 }))
        using (QnnLibrary library = soft.CreateLibrary())
        using (QnnBackend backend = QnnBackend.Open(library))
        using (var data = new AttentionCase(4, 2, 300, 320, 64, seed: 2))
        using (var attention = new ShadowAttention(backend, data.Options with { Mode = mode, Threads = 1 }))
        {
            using KvTensor k = KvTensor.Convert(data.K, format);
            using KvTensor v = KvTensor.Convert(data.V, format);
            attention.Compute(data.Q, k.View, v.View, data.O);

            // The least of a few: what the runtime does on a caller's thread now and then is not the call's own.
            var allocated = new long[4];
            for (int i = 0; i < allocated.Length; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                attention.Compute(data.Q, k.View, v.View, data.O);
                allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.Equal(0, allocated.Min());
        }

        Assert.Equal(live, UnmanagedBuffer.Live);
    }

    [Theory]
    [InlineData(AttentionMode.ShadowCpu, true, ExactTopK.TwoErrors)]
    [InlineData(AttentionMode.Dense, true, ExactTopK.None)]
    [InlineData(AttentionMode.SparseCpu, false, ExactTopK.None)]
    [InlineData(AttentionMode.BlockSparse, false, ExactTopK.None)]
    public void MasksCertificatesAndBaselinesAllocateNothing(AttentionMode mode, bool masks, ExactTopK exact)
    {
        LiveAllocations live = UnmanagedBuffer.Live;
        using (var data = new AttentionCase(4, 2, 150, 200, 32, seed: 2))
        using (var attention = new ShadowAttention(null, data.Options with
        {
            Mode = mode,
            Threads = 1,
            MinKeys = 16,
            ExactTopK = exact,
            SlidingWindow = masks ? 100 : null,
            AlibiSlopes = masks ? AlibiSlopes.Standard(4) : default(ReadOnlyMemory<float>),
            Sinks = 2,
        }))
        {
            attention.HeadCompleted = _ => { };
            attention.Compute(data.Q, data.K, data.V, data.O);
            var allocated = new long[4];
            for (int i = 0; i < allocated.Length; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                attention.Compute(data.Q, data.K, data.V, data.O);
                allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.Equal(0, allocated.Min());
        }

        Assert.Equal(live, UnmanagedBuffer.Live);
    }

    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.ShadowCpu)]
    [InlineData(AttentionMode.Shadow)]
    public void PrefillAndDecodeWithACacheAllocateNothing(AttentionMode mode)
    {
        LiveAllocations live = UnmanagedBuffer.Live;
        using (SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 }))
        using (QnnLibrary library = soft.CreateLibrary())
        using (QnnBackend backend = QnnBackend.Open(library))
        using (var data = new AttentionCase(4, 2, 400, 400, 64, seed: 2))
        using (var attention = new ShadowAttention(backend, data.Options with { Mode = mode, Threads = 1 }))
        using (KvCache cache = attention.CreateCache(400))
        {
            var allocated = new long[4];
            for (int i = 0; i < allocated.Length; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                cache.Truncate(0);
                Next(cache, 300);
                for (int step = 0; step < 30; step++)
                {
                    Next(cache, 1);
                }

                allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.Equal(0, allocated.Min());

            void Next(KvCache to, int count)
            {
                int first = to.Count;
                to.Append(data.K.Slice(1, first, count), data.V.Slice(1, first, count));
                attention.Compute(data.Q.Slice(1, first, count), to, data.O.Slice(1, first, count));
            }
        }

        Assert.Equal(live, UnmanagedBuffer.Live);
    }
}
