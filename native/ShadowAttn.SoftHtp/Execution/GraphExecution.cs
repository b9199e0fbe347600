using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Table;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>Binds a client's buffers to a graph and runs it.</summary>
internal static unsafe class GraphExecution
{
    /// <summary>
    /// One execution. Buffers are matched to the graph's inputs and outputs by id, whatever their order, as HTP does; each id must be
    /// there once, and its buffer large enough. Allocates nothing unless it refuses or profiles.
    /// </summary>
    internal static ulong Run(
        GraphObject graph,
        GraphPlan plan,
        Qnn_Tensor_t* inputs,
        uint inputCount,
        Qnn_Tensor_t* outputs,
        uint outputCount,
        ProfileObject? profile,
        SignalObject? signal)
    {
        if (inputCount != plan.InputCount || outputCount != plan.OutputCount)
        {
            graph.Context.Backend.Error(
                $"graph '{graph.Name}' takes {plan.InputCount} inputs and {plan.OutputCount} outputs; got {inputCount} and {outputCount}");
            return Status.GraphInvalidTensor;
        }
        long start = Clock.Now();
        Frame frame = plan.TakeFrame();
        try
        {
            for (int i = 0; i < plan.InputCount; i++)
            {
                int input = plan.InputOf(IdOf(inputs + i));
                byte* data = input < 0 ? null : Bind(graph, plan.Input(input), inputs, i, frame);
                if (data == null)
                {
                    return Refuse(graph, "input", plan.Input(input < 0 ? i : input), inputs + i);
                }
                plan.BindInput(frame, input, data);
            }
            for (int i = 0; i < plan.OutputCount; i++)
            {
                int output = plan.OutputOf(IdOf(outputs + i));
                byte* data = output < 0 ? null : Bind(graph, plan.Output(output), outputs, i, frame);
                if (data == null)
                {
                    return Refuse(graph, "output", plan.Output(output < 0 ? i : output), outputs + i);
                }
                plan.BindOutput(frame, output, data);
            }
            LatencyModel latency = graph.Instance.Options.Latency;
            long end = latency.IsNone ? 0 : graph.Instance.Occupy(start, latency.Of(plan.Macs));
            ulong status = plan.Run(frame, graph.Workers, timed: profile is { IsDetailed: true }, signal);
            graph.Instance.CountStaged(plan.StagedBytes);
            if (status == Status.Success && !latency.IsNone)
            {
                status = Wait(end, signal);
            }
            if (status == Status.Success && profile is not null)
            {
                ExecutionEvents.Record(profile, plan, frame, latency, graph.Workers.Width, Clock.Now() - start);
            }
            return status;
        }
        finally
        {
            plan.ReturnFrame(frame);
        }
    }

    static uint IdOf(Qnn_Tensor_t* tensor) => tensor->Anonymous.v1.id;

    static ulong Wait(long deadlineNs, SignalObject? signal)
    {
        const long SliceNs = 1_000_000;
        while (signal is not null && Clock.Now() < deadlineNs - SliceNs)
        {
            if (signal.Verdict() is not 0 and ulong ended)
            {
                return ended;
            }
            Clock.WaitUntil(Clock.Now() + SliceNs);
        }
        Clock.WaitUntil(deadlineNs);
        return signal?.Verdict() ?? Status.Success;
    }

    /// <summary>Where the client's tensor has its contents; null when it is not usable as <paramref name="expected"/>.</summary>
    static byte* Bind(GraphObject graph, TensorInfo expected, Qnn_Tensor_t* tensors, int index, Frame frame)
    {
        Qnn_Tensor_t* given = tensors + index;
        if (given->version is not (Qnn_TensorVersion_t.QNN_TENSOR_VERSION_1 or Qnn_TensorVersion_t.QNN_TENSOR_VERSION_2))
        {
            return null;
        }
        for (int i = 0; i < index; i++)
        {
            if (IdOf(tensors + i) == IdOf(given))
            {
                return null;
            }
        }
        ref Qnn_TensorV1_t tensor = ref given->Anonymous.v1;
        if (tensor.dimensions != null
            && !new ReadOnlySpan<uint>(tensor.dimensions, (int)Math.Min(tensor.rank, TensorInfo.MaxRank)).SequenceEqual(expected.Dimensions))
        {
            return null;
        }
        switch (tensor.memType)
        {
            case Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_RAW:
                Qnn_ClientBuffer_t buffer = tensor.Anonymous.clientBuf;
                return buffer.dataSize >= expected.Bytes ? (byte*)buffer.data : null;
            case Qnn_TensorMemType_t.QNN_TENSORMEMTYPE_MEMHANDLE:
                if (!HandleTable.TryEnter(tensor.Anonymous.memHandle, out MemoryObject? memory))
                {
                    return null;
                }
                frame.Hold(memory);
                return memory.Context == graph.Context && memory.Bytes >= expected.Bytes ? memory.Data : null;
            default:
                return null;
        }
    }

    static ulong Refuse(GraphObject graph, string role, TensorInfo expected, Qnn_Tensor_t* given)
    {
        graph.Context.Backend.Error(
            $"graph '{graph.Name}', {role} {expected} (id {expected.Id}): tensor with id {IdOf(given)} is unknown or given twice, has other "
            + $"dimensions, no buffer, or one of less than {expected.Bytes} bytes");
        return Status.GraphInvalidTensor;
    }
}
