using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Table;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A graph: composed tensor by tensor and node by node, then finalised into a plan.</summary>
internal sealed class GraphObject : QnnObject
{
    readonly Lock _gate = new();
    readonly List<TensorInfo> _tensors = [];
    readonly Dictionary<uint, TensorInfo> _byId = [];
    readonly HashSet<string> _names = new(StringComparer.Ordinal);
    readonly HashSet<uint> _produced = [];
    readonly List<OpCall> _nodes = [];
    volatile GraphPlan? _plan;

    internal GraphObject(ContextObject context, string name)
        : base(context.Instance, HandleKind.Graph)
    {
        Context = context;
        Name = name;
        Workers = context.Backend.Workers;
        Workers.Retain();
    }

    internal ContextObject Context { get; }

    internal string Name { get; }

    internal WorkerPool Workers { get; }

    /// <summary>Whether floats are computed in FLOAT_16, as HTP does when asked to.</summary>
    internal bool HalfPrecision { get; set; }

    /// <summary>What executions run; null before finalise.</summary>
    internal GraphPlan? Plan => _plan;

    /// <summary>The tensors and nodes of a finalised graph, as they were composed.</summary>
    internal (TensorInfo[] Tensors, OpCall[] Nodes) Composition()
    {
        lock (_gate)
        {
            return ([.. _tensors], [.. _nodes]);
        }
    }

    /// <summary>Adds a tensor and gives it an id (or keeps <see cref="TensorInfo.Id"/> when <paramref name="keepId"/>).</summary>
    internal ulong AddTensor(TensorInfo tensor, out string refusal, bool keepId = false)
    {
        lock (_gate)
        {
            refusal = "";
            if (_plan is not null)
            {
                refusal = $"graph '{Name}' is finalised; it takes no more tensors";
                return Status.GraphFinalized;
            }
            if (!tensor.IsInput && !tensor.IsOutput && !tensor.IsNative && !tensor.IsStatic)
            {
                refusal = $"tensor '{tensor.Name}' has type {(uint)tensor.Type}; APP_WRITE, APP_READ, NATIVE and STATIC are supported";
                return Status.TensorUnsupportedParam;
            }
            if ((keepId && _byId.ContainsKey(tensor.Id)) || !_names.Add(tensor.Name))
            {
                refusal = $"graph '{Name}' has a tensor '{tensor.Name}' already, or one with its id";
                return Status.TensorAlreadyExists;
            }
            if (keepId)
            {
                Context.ReserveTensorId(tensor.Id);
            }
            else
            {
                tensor.Id = Context.NextTensorId();
            }
            _tensors.Add(tensor);
            _byId.Add(tensor.Id, tensor);
            return Status.Success;
        }
    }

    internal TensorInfo? FindTensor(uint id)
    {
        lock (_gate)
        {
            return _byId.GetValueOrDefault(id);
        }
    }

    /// <summary>Adds a node whose operands are tensors of this graph.</summary>
    internal ulong AddNode(OpCall call, Operator op, out string refusal)
    {
        lock (_gate)
        {
            refusal = "";
            if (_plan is not null)
            {
                refusal = $"graph '{Name}' is finalised; it takes no more nodes";
                return Status.General;
            }
            foreach (TensorInfo input in call.Inputs)
            {
                if (!input.IsStatic && !input.IsInput && !_produced.Contains(input.Id))
                {
                    refusal = $"node '{call.Name}': no earlier node produces {input}";
                    return Status.GraphUnconnectedNode;
                }
            }
            foreach (TensorInfo output in call.Outputs)
            {
                if ((!output.IsNative && !output.IsOutput) || _produced.Contains(output.Id))
                {
                    refusal = $"node '{call.Name}': {output} cannot be written to, or another node writes it already";
                    return Status.GraphInvalidOpConfig;
                }
            }
            if (op.Refuse(call) is string wrong)
            {
                refusal = $"node '{call.Name}' ({call.TypeName}): {wrong}";
                return Status.GraphInvalidOpConfig;
            }
            foreach (TensorInfo output in call.Outputs)
            {
                _produced.Add(output.Id);
            }
            _nodes.Add(call);
            return Status.Success;
        }
    }

    internal ulong Finalize(out string refusal)
    {
        lock (_gate)
        {
            refusal = "";
            if (_plan is not null)
            {
                refusal = $"graph '{Name}' is finalised already";
                return Status.NotSupported;
            }
            if (_nodes.Count == 0)
            {
                refusal = $"graph '{Name}' has no nodes";
                return Status.GraphFinalizeFailed;
            }
            foreach (TensorInfo tensor in _tensors)
            {
                if (tensor.IsOutput && !_produced.Contains(tensor.Id))
                {
                    refusal = $"graph '{Name}': no node produces the output {tensor}";
                    return Status.GraphCreateFailed;
                }
            }
            var options = new StepOptions(Workers.Width, HalfPrecision);
            _plan = new GraphPlan(_tensors, _nodes.ConvertAll(call => (call, Operator.Find(call.TypeName)!.Compile(call, options))));
            return Status.Success;
        }
    }

    protected override void OnClosed() => Context.Disown(this);

    protected override void Destroy()
    {
        _plan?.Free();
        Workers.Release();
    }
}
