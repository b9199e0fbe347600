using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Raw;

/// <summary>
/// A client that calls a backend's provider table itself, as a C program does, and hides nothing of what comes back. It frees at the end
/// what it made.
/// </summary>
internal sealed unsafe class RawClient : IDisposable
{
    private readonly QnnLibrary _library;
    private readonly List<nint> _contexts = [];
    private readonly List<nint> _profiles = [];
    private int _graphs;

    /// <summary>A client with a backend and a device.</summary>
    /// <exception cref="CheckFailedException">The backend does not start.</exception>
    public RawClient(QnnLibrary library)
    {
        _library = library;
        try
        {
            Start();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ref readonly QnnInterface_ImplementationV2_32_t Table => ref _library.Table;

    public QnnLibrary Library => _library;

    /// <summary>Memory that lives as long as the client.</summary>
    public RawMemory Memory { get; } = new();

    /// <summary>The log, or null where the backend has none.</summary>
    public void* Log { get; private set; }

    public void* Backend { get; private set; }

    /// <summary>The device, or null where the backend has none.</summary>
    public void* Device { get; private set; }

    /// <summary>The context of checks that need but one; made at the first use.</summary>
    public void* Context
    {
        get
        {
            if (_contexts.Count == 0)
            {
                CreateContext();
            }

            return (void*)_contexts[0];
        }
    }

    /// <summary>A new context.</summary>
    /// <exception cref="CheckFailedException">There is none.</exception>
    public void* CreateContext()
    {
        Require(Table.contextCreate, "contextCreate");
        void* context = null;
        Expect.Ok("contextCreate", Table.contextCreate(Backend, Device, null, &context));
        Expect.That(context != null, "contextCreate: expected a handle, actual success with null");
        return Adopt(context);
    }

    /// <summary>A new context from a binary; the status of the call, and no context unless it succeeded.</summary>
    public ulong CreateContextFromBinary(ReadOnlySpan<byte> binary, out void* context)
    {
        byte* copy = Memory.Copy(binary);
        void* made = null;
        ulong status = Table.contextCreateFromBinary(Backend, Device, null, copy, (ulong)binary.Length, &made, null);
        context = made;
        if (status == Expect.Success && made != null)
        {
            Adopt(made);
        }

        return status;
    }

    /// <summary>Frees a context; the status of the call.</summary>
    public ulong FreeContext(void* context)
    {
        _contexts.Remove((nint)context);
        return Table.contextFree(context, null);
    }

    /// <summary>A new graph in a context; the status of the call.</summary>
    public ulong CreateGraph(void* context, string name, out void* graph)
    {
        void* made = null;
        ulong status = Table.graphCreate(context, Memory.Text(name), null, &made);
        graph = made;
        return status;
    }

    /// <summary>A new graph with a name of its own.</summary>
    /// <exception cref="CheckFailedException">There is none.</exception>
    public RawGraph Graph(void* context, string? name = null, QnnGraph_Config_t** options = null)
    {
        name ??= $"graph{_graphs++}";
        void* made = null;
        Expect.Ok("graphCreate", Table.graphCreate(context, Memory.Text(name), options, &made));
        Expect.That(made != null, "graphCreate: expected a handle, actual success with null");
        return new RawGraph(this, context, made, name);
    }

    /// <summary>Graph options that let HTP compute floats in half precision; none for other backends.</summary>
    public QnnGraph_Config_t** HalfPrecision()
    {
        if (_library.Info.BackendId != QnnApi.QNN_BACKEND_ID_HTP)
        {
            return null;
        }

        var custom = (QnnHtpGraph_CustomConfig_t*)Memory.Allocate(sizeof(QnnHtpGraph_CustomConfig_t));
        custom->option = QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_PRECISION;
        custom->Anonymous.precision = Qnn_Precision_t.QNN_PRECISION_FLOAT16;
        var config = (QnnGraph_Config_t*)Memory.Allocate(sizeof(QnnGraph_Config_t));
        config->option = QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_CUSTOM;
        config->Anonymous.customConfig = custom;
        var list = (QnnGraph_Config_t**)Memory.Allocate(2 * sizeof(nint));
        list[0] = config;
        return list;
    }

    /// <summary>A profile.</summary>
    /// <exception cref="NotOfferedException">The backend does not profile.</exception>
    /// <exception cref="CheckFailedException">There is none.</exception>
    public void* CreateProfile(uint level)
    {
        RequireOffered(Table.profileCreate, "profileCreate");
        RequireOffered(Table.profileFree, "profileFree");
        void* profile = null;
        Expect.OkOrNotOffered("profileCreate", Table.profileCreate(Backend, level, &profile));
        Expect.That(profile != null, "profileCreate: expected a handle, actual success with null");
        _profiles.Add((nint)profile);
        return profile;
    }

    /// <summary>Frees a profile; the status of the call.</summary>
    public ulong FreeProfile(void* profile)
    {
        _profiles.Remove((nint)profile);
        return Table.profileFree(profile);
    }

    /// <summary>Status of validating one node whose operands are inputs and outputs of a graph.</summary>
    public ulong Validate(string op, ReadOnlySpan<Operand> inputs, ReadOnlySpan<Operand> outputs, params ReadOnlySpan<RawParam> parameters)
    {
        using var memory = new RawMemory();
        var ins = new Qnn_Tensor_t[inputs.Length];
        for (int i = 0; i < ins.Length; i++)
        {
            ins[i] = RawTensor.Describe(memory, $"in{i}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_WRITE, inputs[i]);
        }

        var outs = new Qnn_Tensor_t[outputs.Length];
        for (int i = 0; i < outs.Length; i++)
        {
            outs[i] = RawTensor.Describe(memory, $"out{i}", Qnn_TensorType_t.QNN_TENSOR_TYPE_APP_READ, outputs[i]);
        }

        var written = new Qnn_Param_t[parameters.Length];
        for (int i = 0; i < written.Length; i++)
        {
            Qnn_Tensor_t tensor = parameters[i].Values is { } values ? RawTensor.DescribeParameter(memory, parameters[i].Name, values) : default;
            written[i] = parameters[i].Write(memory, tensor);
        }

        return Table.backendValidateOpConfig(Backend, RawTensor.Node(memory, "node", op, ins, outs, written));
    }

    /// <summary>Lets a check go on only if the backend has an optional function.</summary>
    /// <exception cref="NotOfferedException">It has not.</exception>
    public static void RequireOffered(void* function, string call)
    {
        if (function == null)
        {
            throw new NotOfferedException($"there is no {call}");
        }
    }

    /// <summary>Lets a check go on only if the backend has a function that every backend needs.</summary>
    /// <exception cref="CheckFailedException">It has not.</exception>
    public static void Require(void* function, string call) => Expect.That(function != null, $"expected a function {call}, actual null");

    public void Dispose()
    {
        ref readonly QnnInterface_ImplementationV2_32_t table = ref Table;
        foreach (nint profile in _profiles)
        {
            table.profileFree((void*)profile);
        }

        foreach (nint context in _contexts)
        {
            if (table.contextFree != null)
            {
                table.contextFree((void*)context, null);
            }
        }

        if (Device != null && table.deviceFree != null)
        {
            table.deviceFree(Device);
        }

        if (Backend != null && table.backendFree != null)
        {
            table.backendFree(Backend);
        }

        if (Log != null && table.logFree != null)
        {
            table.logFree(Log);
        }

        _profiles.Clear();
        _contexts.Clear();
        Device = Backend = Log = null;
        Memory.Dispose();
    }

    private void* Adopt(void* context)
    {
        _contexts.Add((nint)context);
        return context;
    }

    private void Start()
    {
        ref readonly QnnInterface_ImplementationV2_32_t table = ref Table;
        Require(table.backendCreate, "backendCreate");
        Require(table.backendFree, "backendFree");
        if (table.logCreate != null && table.logFree != null)
        {
            // A log that says nothing keeps what wrong calls provoke off the terminal.
            void* log = null;
            if (table.logCreate(&RawLog.Ignore, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, &log) == Expect.Success)
            {
                Log = log;
            }
        }

        void* backend = null;
        Expect.Ok("backendCreate", table.backendCreate(Log, null, &backend));
        Expect.That(backend != null, "backendCreate: expected a handle, actual success with null");
        Backend = backend;
        if (table.deviceCreate != null)
        {
            void* device = null;
            ulong status = table.deviceCreate(Log, null, &device);
            if (status != (ulong)QnnDevice_Error_t.QNN_DEVICE_ERROR_UNSUPPORTED_FEATURE)
            {
                Expect.Ok("deviceCreate", status);
                Expect.That(device != null, "deviceCreate: expected a handle, actual success with null");
                Device = device;
            }
        }
    }
}
