using ShadowAttn.Attention;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Attention;

[Collection(ProcessStateCollection.Name)]
public sealed class AttentionAllocationTests
{
    [Theory]
    [InlineData(AttentionMode.Dense)]
    [InlineData(AttentionMode.ShadowCpu)]
    public void CallsAllocateNothingAndFreeEverything(AttentionMode mode)
    {
        LiveAllocations before = UnmanagedBuffer.Live;
        using (var data = new AttentionCase(4, 2, 64, 256, 64, seed: 2))
        using (var attention = new ShadowAttention(null, data.Options with { Mode = mode, Threads = 1 }))
        {
            attention.Compute(data.Q, data.K, data.V, data.O);
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            attention.Compute(data.Q, data.K, data.V, data.O);
            Assert.Equal(allocated, GC.GetAllocatedBytesForCurrentThread());
        }

        Assert.Equal(before, UnmanagedBuffer.Live);
    }
}
