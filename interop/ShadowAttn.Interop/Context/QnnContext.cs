namespace ShadowAttn.Interop;

/// <summary>A place on a device for graphs and the memory registered for them. Freed when it and all of its graphs are disposed.</summary>
public sealed unsafe class QnnContext : IDisposable
{
    QnnContext(QnnDevice device, QnnHandle handle)
    {
        Device = device;
        Handle = handle;
    }

    /// <summary>The device that it is on.</summary>
    public QnnDevice Device { get; }

    internal QnnDriver Driver => Device.Driver;

    internal QnnHandle Handle { get; }

    /// <summary>Starts a graph.</summary>
    /// <param name="name">Its name, unique in the context.</param>
    /// <param name="options">How it is prepared.</param>
    /// <exception cref="QnnNotSupportedException">The backend does not compose graphs, or an option is not for it.</exception>
    /// <exception cref="QnnCallException">The backend refused, for example because the name is taken.</exception>
    public QnnGraphBuilder CreateGraph(string name, QnnGraphOptions? options = null) =>
        QnnGraphBuilder.Create(this, name, options ?? new QnnGraphOptions());

    /// <summary>Takes a graph out of a context that was created from a binary.</summary>
    /// <param name="graph">The graph's name, inputs and outputs, from <see cref="QnnSystem.ReadBinary"/>.</param>
    /// <exception cref="QnnNotSupportedException">The backend cannot.</exception>
    /// <exception cref="QnnCallException">There is no such graph in the context.</exception>
    public QnnGraph RetrieveGraph(QnnBinaryGraph graph)
    {
        using var hold = new HandleHold(Handle);
        using var arena = new NativeArena();
        Driver.Require(Driver.Table.graphRetrieve, "graphRetrieve");
        Driver.Require(Driver.Table.graphExecute, "graphExecute");
        void* value = null;
        Driver.Check(Driver.Table.graphRetrieve(Handle.Value, arena.Text(graph.Name), &value), "graphRetrieve", $"graph '{graph.Name}'");
        Driver.CheckHandle(value, "graphRetrieve");
        return new QnnGraph(this, graph.Name, value, [.. graph.Inputs], [.. graph.Outputs]);
    }

    /// <summary>The context with its finalised graphs as bytes, for <see cref="QnnDevice.CreateContext(ReadOnlySpan{byte}, QnnContextOptions?, QnnProfile?)"/>.</summary>
    /// <exception cref="QnnNotSupportedException">The backend cannot.</exception>
    /// <exception cref="QnnCallException">A graph is not finalised, or the backend failed.</exception>
    public byte[] GetBinary()
    {
        using var hold = new HandleHold(Handle);
        Driver.Require(Driver.Table.contextGetBinarySize, "contextGetBinarySize");
        Driver.Require(Driver.Table.contextGetBinary, "contextGetBinary");
        ulong size = 0;
        Driver.Check(Driver.Table.contextGetBinarySize(Handle.Value, &size), "contextGetBinarySize");
        if (size == 0 || size > (ulong)Array.MaxLength)
        {
            throw new QnnException($"The backend '{Driver.Name}' says that the context's binary has {size} bytes.");
        }
        var binary = new byte[size];
        ulong written = 0;
        fixed (byte* target = binary)
        {
            Driver.Check(Driver.Table.contextGetBinary(Handle.Value, target, size, &written), "contextGetBinary");
        }
        if (written > size)
        {
            throw new QnnException($"The backend '{Driver.Name}' wrote {written} bytes of a binary that it said has {size}.");
        }
        return written == size ? binary : binary[..(int)written];
    }

    /// <summary>
    /// Registers shared memory for a tensor, so that the device works on its pages in place. Where the backend does not take
    /// it, the result stands for the plain buffer instead and says why.
    /// </summary>
    /// <param name="tensor">The tensor that the memory will be bound to.</param>
    /// <param name="kind">What kind of memory the file descriptor is.</param>
    /// <param name="fileDescriptor">The memory's file descriptor; -1 if it has none.</param>
    /// <param name="data">Where the memory is mapped in this process.</param>
    /// <param name="bytes">Its size; at least the tensor's.</param>
    /// <exception cref="ArgumentException">The memory is null or too small for the tensor.</exception>
    public QnnMemory RegisterMemory(QnnTensor tensor, QnnMemoryKind kind, int fileDescriptor, void* data, nuint bytes) =>
        QnnMemory.Register(this, tensor, kind, fileDescriptor, data, bytes);

    /// <summary>Frees the context once its graphs and memory are disposed.</summary>
    public void Dispose() => Handle.Dispose();

    internal static QnnContext Create(QnnDevice device, QnnContextOptions options)
    {
        QnnDriver driver = device.Driver;
        using var hold = new HandleHold(device.Owner);
        using var arena = new NativeArena();
        driver.Require(driver.Table.contextCreate, "contextCreate");
        driver.Require(driver.Table.contextFree, "contextFree");
        void* value = null;
        driver.Check(driver.Table.contextCreate(device.Backend.Value, device.Value, options.Write(arena), &value), "contextCreate");
        driver.CheckHandle(value, "contextCreate");
        return new QnnContext(device, new QnnHandle(driver, QnnHandleKind.Context, value, device.Owner));
    }

    internal static QnnContext CreateFromBinary(QnnDevice device, ReadOnlySpan<byte> binary, QnnContextOptions options, QnnProfile? profile)
    {
        if (binary.IsEmpty)
        {
            throw new ArgumentException("The context binary is empty.", nameof(binary));
        }
        QnnDriver driver = device.Driver;
        using var hold = new HandleHold(device.Owner);
        using var profileHold = new HandleHold(profile?.Handle);
        using var arena = new NativeArena();
        driver.Require(driver.Table.contextCreateFromBinary, "contextCreateFromBinary");
        driver.Require(driver.Table.contextFree, "contextFree");
        void* value = null;
        fixed (byte* source = binary)
        {
            driver.Check(
                driver.Table.contextCreateFromBinary(device.Backend.Value, device.Value, options.Write(arena), source, (ulong)binary.Length,
                    &value, profile is null ? null : profile.Handle.Value),
                "contextCreateFromBinary", $"{binary.Length} bytes");
        }
        driver.CheckHandle(value, "contextCreateFromBinary");
        return new QnnContext(device, new QnnHandle(driver, QnnHandleKind.Context, value, device.Owner));
    }
}
