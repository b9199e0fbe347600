using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>What a file descriptor of shared memory is.</summary>
public enum QnnMemoryKind
{
    /// <summary>An ION buffer, as rpcmem gives, or a memfd where the backend takes it as one.</summary>
    Ion,

    /// <summary>A dma-buf.</summary>
    DmaBuf,
}

/// <summary>
/// Memory for a tensor: registered with a context where the backend takes it, else the plain buffer that it also is. Bind it
/// with <see cref="QnnGraph.BindInput(int, QnnMemory)"/>. The pages stay the caller's and must outlive it.
/// </summary>
public sealed unsafe class QnnMemory : IDisposable
{
    readonly QnnHandle? _handle;

    QnnMemory(QnnContext context, QnnHandle? handle, string fallbackReason, void* data, nuint bytes)
    {
        Context = context;
        _handle = handle;
        FallbackReason = fallbackReason;
        Data = data;
        Bytes = bytes;
    }

    /// <summary>Whether the device works on the pages in place.</summary>
    public bool IsRegistered => _handle is not null;

    /// <summary>Why the memory is a plain buffer; empty if it is registered.</summary>
    public string FallbackReason { get; }

    /// <summary>Where the memory is mapped in this process.</summary>
    public void* Data { get; }

    /// <summary>Its size.</summary>
    public nuint Bytes { get; }

    internal QnnContext Context { get; }

    internal void* Value => _handle!.Value;

    /// <summary>Takes the registration back once no binding uses it.</summary>
    public void Dispose() => _handle?.Dispose();

    /// <summary>Keeps the registration while a binding has it.</summary>
    /// <exception cref="ObjectDisposedException">The registration was taken back.</exception>
    internal void AddUse()
    {
        if (_handle is not null)
        {
            ObjectDisposedException.ThrowIf(_handle.IsDisposed, this);
            bool added = false;
            _handle.DangerousAddRef(ref added);
        }
    }

    internal void ReleaseUse() => _handle?.DangerousRelease();

    internal static QnnMemory Register(QnnContext context, QnnTensor tensor, QnnMemoryKind kind, int fileDescriptor, void* data, nuint bytes)
    {
        if (data == null || bytes < tensor.Bytes)
        {
            throw new ArgumentException($"Memory for tensor {tensor} has {(data == null ? 0 : bytes)} bytes; the tensor needs {tensor.Bytes}.", nameof(bytes));
        }
        QnnDriver driver = context.Driver;
        using var hold = new HandleHold(context.Handle);
        string reason = WhyNot(driver, fileDescriptor);
        if (reason.Length > 0)
        {
            return new QnnMemory(context, handle: null, reason, data, bytes);
        }
        using var arena = new NativeArena();
        var descriptor = arena.Allocate<Qnn_MemDescriptor_t>();
        descriptor->memShape.numDim = (uint)tensor.Spec.Shape.Length;
        descriptor->memShape.dimSize = (uint*)arena.Copy(tensor.Spec.Shape);
        descriptor->dataType = (Qnn_DataType_t)tensor.Spec.DataType;
        if (kind == QnnMemoryKind.DmaBuf)
        {
            descriptor->memType = Qnn_MemType_t.QNN_MEM_TYPE_DMA_BUF;
            descriptor->dmaBufInfo = new Qnn_MemDmaBufInfo_t { fd = fileDescriptor, data = data };
        }
        else
        {
            descriptor->memType = Qnn_MemType_t.QNN_MEM_TYPE_ION;
            descriptor->ionInfo.fd = fileDescriptor;
        }
        void* value = null;
        ulong status = driver.Table.memRegister(context.Handle.Value, descriptor, 1, &value);
        if (status != QnnApi.QNN_SUCCESS || value == null)
        {
            reason = status == QnnApi.QNN_SUCCESS
                ? $"memRegister of '{driver.Name}' returned null"
                : $"memRegister of '{driver.Name}' says {QnnStatus.FromCode(status)}";
            return new QnnMemory(context, handle: null, reason, data, bytes);
        }
        return new QnnMemory(context, new QnnHandle(driver, QnnHandleKind.Memory, value, context.Handle), "", data, bytes);
    }

    static string WhyNot(QnnDriver driver, int fileDescriptor)
    {
        if (fileDescriptor < 0)
        {
            return "the memory has no file descriptor";
        }
        if (driver.Table.memRegister == null || driver.Table.memDeRegister == null)
        {
            return $"'{driver.Name}' has no memRegister";
        }
        return "";
    }
}
