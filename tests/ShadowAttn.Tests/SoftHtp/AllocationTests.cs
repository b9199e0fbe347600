using ShadowAttn.SoftHtp;
using Xunit;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>What executions take from the managed heap and from the system, over all threads of the process.</summary>
[Collection(ProcessStateCollection.Name)]
public class AllocationTests
{
    private static readonly TestTensor Q8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 256, 64], 1, 0, new byte[256 * 64]);
    private static readonly TestTensor K8 = new(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 300, 64], 1, 0, new byte[300 * 64]);

    [Theory]
    [InlineData(1, 64f, true)]
    [InlineData(3, 64f, true)]
    [InlineData(3, 60f, false)]
    public void Executions_allocate_nothing_on_any_thread(int threads, float scale, bool transposed)
    {
        using TableClient client = TableClient.OfSoftHtp(new SoftHtpOptions { Threads = threads });
        TestTensor keys = transposed ? K8 : K8 with { Dimensions = [1, 1, 64, 300] };
        ComposedGraph graph = client.Compose(
            "MatMul", [Q8, keys], [new TestTensor(QNN_DATATYPE_SFIXED_POINT_8, [1, 1, 256, 300], scale)], [client.Flag("transpose_in1", transposed)]);
        for (int i = 0; i < 50; i++)
        {
            TableClient.Ok(graph.Execute());
        }
        ulong status = 0;
        // The runtime allocates now and then on threads of its own; the least of several rounds is what executions take.
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < 100; i++)
            {
                status |= graph.Execute();
            }
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        Assert.Equal(0UL, status);
        Assert.Equal(0, least);
    }
}
