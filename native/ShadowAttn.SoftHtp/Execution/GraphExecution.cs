using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Table;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>Binds a client's buffers to a graph and runs it.</summary>
internal static unsafe class GraphExecution
{
    /// <summary>
    /// One execution. Buffers are matched to the graph's inputs and outputs by order; each tensor's id must be known, each once, and
    /// its buffer large enough. Allocates nothing unless it refuses.
    /// </summary>
    internal static ulong Run(
        GraphObject graph, GraphPlan plan, Qnn_Tensor_t* inputs, uint inputCount, Qnn_Tensor_t* outputs, uint outputCount)
    {
        if (inputCount != plan.InputCount || outputCount != plan.OutputCount)
        {
            graph.Context.Backend.Error(
                $"graph '{graph.Name}' takes {plan.InputCount} inputs and {plan.OutputCount} outputs; got {inputCount} and {outputCount}");
            return Status.GraphInvalidTensor;
        }
        long start = Clock.Now();
        byte** frame = plan.TakeFrame();
        try
        {
            for (int i = 0; i < plan.InputCount; i++)
            {
                if (!plan.HasInput(inputs[i].Anonymous.v1.id) || IsRepeated(inputs, i)
                    || Buffer(graph, plan.Input(i), inputs + i) is not (var data and not null))
                {
                    return Refuse(graph, "input", plan.Input(i), inputs + i);
                }
                plan.BindInput(frame, i, data);
            }
            for (int i = 0; i < plan.OutputCount; i++)
            {
                if (!plan.HasOutput(outputs[i].Anonymous.v1.id) || IsRepeated(outputs, i)
                    || Buffer(graph, plan.Output(i), outputs + i) is not (var data and not null))
                {
                    return Refuse(graph, "output", plan.Output(i), outputs + i);
                }
                plan.BindOutput(frame, i, data);
            }
            plan.Run(frame, graph.Workers, null);
        }
        finally
        {
            plan.ReturnFrame(frame);
        }
        LatencyModel latency = graph.Instance.Options.Latency;
        if (!latency.IsNone)
        {
            Clock.WaitUntil(start + latency.Of(plan.Macs));
        }
        return Status.Success;
    }

    static bool IsRepeated(Qnn_Tensor_t* tensors, int index)
    {
        for (int i = 0; i < index; i++)
        {
            if (tensors[i].Anonymous.v1.id == tensors[index].Anonymous.v1.id)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Where the client's tensor has its contents; null when it is not usable as <paramref name="expected"/>.</summary>
    static byte* Buffer(GraphObject graph, TensorInfo expected, Qnn_Tensor_t* given)
    {
        if (given->version is not (Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1 or Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2))
        {
            return null;
        }
        ref Qnn_TensorV1_t tensor = ref given->Anonymous.v1;
        if (tensor.dimensions != null
            && !new ReadOnlySpan<uint>(tensor.dimensions, (int)Math.Min(tensor.rank, TensorInfo.MaxRank)).SequenceEqual(expected.Dimensions))
        {
            return null;
        }
        if (tensor.memType != Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW)
        {
            return null;
        }
        Qnn_ClientBuffer_t buffer = tensor.Anonymous.clientBuf;
        return buffer.dataSize >= expected.Bytes ? (byte*)buffer.data : null;
    }

    static ulong Refuse(GraphObject graph, string role, TensorInfo expected, Qnn_Tensor_t* given)
    {
        graph.Context.Backend.Error(
            $"graph '{graph.Name}', {role} {expected} (id {expected.Id}): tensor with id {given->Anonymous.v1.id} is unknown or given twice, has other "
            + $"dimensions, no buffer, or one of less than {expected.Bytes} bytes");
        return Status.GraphInvalidTensor;
    }
}
