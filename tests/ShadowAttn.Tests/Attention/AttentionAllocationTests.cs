using ShadowAttn.Attention;
using ShadowAttn.Interop;
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
    public void CallsAllocateNothingAndFreeEverything(AttentionMode mode)
    {
        LiveAllocations live = UnmanagedBuffer.Live;
        using (SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 }))
        using (QnnLibrary library = soft.CreateLibrary())
        using (QnnBackend backend = QnnBackend.Open(library))
        using (var data = new AttentionCase(4, 2, 300, 320, 64, seed: 2))
        using (var attention = new ShadowAttention(backend, data.Options with { Mode = mode, Threads = 1 }))
        {
            attention.Compute(data.Q, data.K, data.V, data.O);

            // The least of a few: what the runtime does on a caller's thread now and then is not the call's own.
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
}
