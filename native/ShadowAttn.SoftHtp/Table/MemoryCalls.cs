using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the memory area. A file descriptor that can be mapped shared (a memfd, a dma-buf) stands for the NPU's buffers.</summary>
internal static unsafe class MemoryCalls
{
    const uint MostDescriptors = 65536;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong Register(void* contextHandle, Qnn_MemDescriptor_t* descriptors, uint count, void** handles)
    {
        try
        {
            if (!HandleTable.TryEnter(contextHandle, out ContextObject? context))
            {
                return Status.MemInvalidHandle;
            }
            using var _ = new Leave(context);
            CallGate.Outcome fault = context.Instance.Gate.Enter(QnnCall.MemRegister);
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (descriptors == null || handles == null || count is 0 or > MostDescriptors)
            {
                return Status.MemInvalidArgument;
            }
            new Span<nint>(handles, (int)count).Clear();
            if (fault.NullResult)
            {
                return Status.Success;
            }
            // All or none.
            var registered = new List<MemoryObject>();
            ulong status = Status.Success;
            for (uint i = 0; i < count && status == Status.Success; i++)
            {
                status = Register(context, descriptors[i], out MemoryObject? memory);
                if (memory is not null)
                {
                    registered.Add(memory);
                }
            }
            for (int i = 0; i < registered.Count; i++)
            {
                if (status == Status.Success)
                {
                    handles[i] = (void*)registered[i].Handle;
                }
                else
                {
                    registered[i].Close();
                }
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    static ulong Register(ContextObject context, in Qnn_MemDescriptor_t descriptor, out MemoryObject? memory)
    {
        memory = null;
        ref readonly Qnn_MemShape_t shape = ref descriptor.memShape;
        long tensorBytes = shape.numDim > TensorInfo.MaxRank || (shape.numDim > 0 && shape.dimSize == null)
            ? 0
            : TensorInfo.CountElements(new ReadOnlySpan<uint>(shape.dimSize, (int)shape.numDim), descriptor.dataType)
                * DataTypes.Bytes(descriptor.dataType);
        if (tensorBytes == 0)
        {
            context.Backend.Error($"memRegister: {shape.numDim} dimensions and data type {(uint)descriptor.dataType} describe no tensor");
            return Status.MemInvalidShape;
        }
        int fileDescriptor;
        long offset = 0, bytes = tensorBytes;
        switch (descriptor.memType)
        {
            case Qnn_MemType_t.QNN_MEM_TYPE_ION:
                fileDescriptor = descriptor.Anonymous.ionInfo.fd;
                break;
            case Qnn_MemType_t.QNN_MEM_TYPE_DMA_BUF:
                fileDescriptor = descriptor.Anonymous.dmaBufInfo.fd;
                break;
            case Qnn_MemType_t.QNN_MEM_TYPE_CUSTOM:
                var custom = (QnnMemHtp_Descriptor_t*)descriptor.Anonymous.customInfo;
                if (custom == null || custom->type != QnnHtpMem_Type_t.QNN_HTP_MEM_SHARED_BUFFER)
                {
                    context.Backend.Error("memRegister: of the custom types only shared buffers are supported");
                    return Status.MemUnsupportedType;
                }
                fileDescriptor = custom->Anonymous.sharedBufferConfig.fd;
                if (custom->Anonymous.sharedBufferConfig.offset > long.MaxValue / 2 || custom->size > long.MaxValue / 2)
                {
                    return Status.MemInvalidArgument;
                }
                offset = (long)custom->Anonymous.sharedBufferConfig.offset;
                bytes = Math.Max((long)custom->size, offset + tensorBytes);
                break;
            default:
                context.Backend.Error($"memRegister: memory type {(uint)descriptor.memType} is not supported");
                return Status.MemUnsupportedType;
        }
        UnmanagedBuffer mapping;
        try
        {
            mapping = UnmanagedBuffer.MapFileDescriptor(fileDescriptor, bytes);
        }
        catch (Exception e) when (e is ArgumentException or InsufficientMemoryException or PlatformNotSupportedException)
        {
            context.Backend.Error($"memRegister: {bytes} bytes of descriptor {fileDescriptor} cannot be mapped: {e.Message}");
            return e is PlatformNotSupportedException ? Status.NotSupported : Status.MemMapping;
        }
        var made = new MemoryObject(context, mapping, offset);
        HandleTable.Add(made);
        if (!context.Adopt(made))
        {
            made.Close();
            return Status.MemInvalidHandle;
        }
        memory = made;
        return Status.Success;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static ulong DeRegister(void** handles, uint count)
    {
        try
        {
            if (handles == null || count == 0)
            {
                return Status.MemInvalidArgument;
            }
            ulong status = Status.Success;
            for (uint i = 0; i < count; i++)
            {
                if (!HandleTable.TryEnter(handles[i], out MemoryObject? memory))
                {
                    status = Status.MemInvalidHandle;
                    continue;
                }
                using var _ = new Leave(memory);
                CallGate.Outcome fault = memory.Instance.Gate.Enter(QnnCall.MemDeRegister);
                ulong own = memory.Close() ? fault.Code : Status.MemInvalidHandle;
                status = status == Status.Success ? own : status;
            }
            return status;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }
}
