using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the tensor area.</summary>
internal static unsafe class TensorCalls
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong CreateGraphTensor(void* handle, Qnn_Tensor_t* tensor)
    {
        try
        {
            if (!HandleTable.TryEnter(handle, out GraphObject? graph))
            {
                return Status.TensorInvalidHandle;
            }
            using var _ = new Leave(graph);
            CallGate.Outcome fault = graph.Instance.Gate.Enter(QnnCall.TensorCreateGraphTensor);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (tensor == null)
            {
                // The area has no code for a null argument; this is the one HTP gives.
                return Status.TensorInvalidHandle;
            }
            if (fault.NullResult)
            {
                tensor->Anonymous.v1.id = 0;
                return Status.Success;
            }
            TensorInfo? info = TensorInfo.Read(tensor, copyData: true, out string refusal);
            if (info is null || string.IsNullOrEmpty(info.Name))
            {
                graph.Context.Backend.Error($"tensorCreateGraphTensor: {(info is null ? refusal : "the tensor has no name")}");
                return Status.TensorInvalidParam;
            }
            ulong status = graph.AddTensor(info, out refusal);
            if (status != Status.Success)
            {
                graph.Context.Backend.Error($"tensorCreateGraphTensor: {refusal}");
                return status;
            }
            tensor->Anonymous.v1.id = info.Id;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
