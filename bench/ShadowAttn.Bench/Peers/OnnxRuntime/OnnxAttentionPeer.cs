using ShadowAttn.Cli.Bench;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace ShadowAttn.Bench.Peers.OnnxRuntime;

/// <summary>One of ONNX Runtime's attention operators on its CPU provider, fp32. Inputs and outputs are bound once, so a call copies nothing.</summary>
public sealed class OnnxAttentionPeer : IAttentionPeer
{
    private readonly OnnxAttentionKind kind;
    private readonly AttentionShape shape;
    private readonly float[] result;
    private readonly string[] inputNames;
    private readonly string[] outputNames;
    private readonly List<OrtValue> inputs = [];
    private readonly List<OrtValue> outputs = [];
    private readonly RunOptions runOptions;
    private readonly InferenceSession session;

    /// <summary>Builds the model, loads it and binds the data.</summary>
    /// <param name="kind">The operator.</param>
    /// <param name="shape">A shape that <see cref="OnnxAttentionModels.Supports"/> allows.</param>
    /// <param name="data">Q, K and V.</param>
    /// <param name="threads">Threads of the operator.</param>
    public OnnxAttentionPeer(OnnxAttentionKind kind, AttentionShape shape, AttentionData data, int threads)
    {
        if (!OnnxAttentionModels.Supports(kind, shape))
        {
            throw new ArgumentException($"{OnnxAttentionModels.Name(kind)} cannot compute {shape}", nameof(shape));
        }

        this.kind = kind;
        this.shape = shape;
        result = new float[shape.QueryLength];
        OnnxModel model = OnnxAttentionModels.Create(kind, shape);
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        session = new InferenceSession(model.Serialize(), options);
        runOptions = new RunOptions();

        int repeat = kind == OnnxAttentionKind.MultiHead ? shape.Group : 1;
        inputs.Add(Bind(model.Inputs[0]!, Arrange(data.Queries, shape.Heads, shape.Queries, 1)));
        inputs.Add(Bind(model.Inputs[1]!, Arrange(data.Keys, shape.KvHeads, shape.Keys, repeat)));
        inputs.Add(Bind(model.Inputs[2]!, Arrange(data.Values, shape.KvHeads, shape.Keys, repeat)));
        if (kind == OnnxAttentionKind.GroupQuery)
        {
            inputs.Add(OrtValue.CreateTensorValueFromMemory([shape.Keys - 1], [1]));
            inputs.Add(OrtValue.CreateTensorValueFromMemory([shape.Keys], []));
        }

        outputs.Add(Bind(model.Outputs[0], result));
        for (int i = 1; i < model.Outputs.Count; i++)
        {
            outputs.Add(Bind(model.Outputs[i], new float[shape.KeyLength]));
        }

        inputNames = [.. model.Inputs.Where(i => i is not null).Select(i => i!.Name)];
        outputNames = [.. model.Outputs.Select(o => o.Name)];
    }

    /// <summary>Null when ONNX Runtime's native library can be loaded here, otherwise why not.</summary>
    public static string? Unavailable { get; } = FindObstacle();

    /// <summary>The version of the native library.</summary>
    public static string Version => OrtEnv.Instance().GetVersionString();

    /// <inheritdoc/>
    public string Name => OnnxAttentionModels.Name(kind);

    /// <inheritdoc/>
    public bool Exact => true;

    /// <inheritdoc/>
    public void Compute() => session.Run(runOptions, inputNames, inputs, outputNames, outputs);

    /// <inheritdoc/>
    public void CopyOutput(Span<float> output)
    {
        if (!OnnxAttentionModels.RowsFirst(kind))
        {
            result.CopyTo(output);
            return;
        }

        for (int head = 0; head < shape.Heads; head++)
        {
            for (int row = 0; row < shape.Queries; row++)
            {
                result.AsSpan(((row * shape.Heads) + head) * shape.HeadDim, shape.HeadDim)
                    .CopyTo(output.Slice(((head * shape.Queries) + row) * shape.HeadDim, shape.HeadDim));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (OrtValue value in inputs.Concat(outputs))
        {
            value.Dispose();
        }

        runOptions.Dispose();
        session.Dispose();
    }

    private static string? FindObstacle()
    {
        const string cpuInfo = "/proc/cpuinfo";
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            && !File.ReadAllText(cpuInfo).Contains("CPU implementer", StringComparison.Ordinal))
        {
            return $"ONNX Runtime crashes when it is loaded on an emulated arm64 CPU whose {cpuInfo} describes the host's";
        }

        try
        {
            OrtEnv.Instance().GetVersionString();
            return null;
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or BadImageFormatException or OnnxRuntimeException)
        {
            return $"ONNX Runtime cannot be loaded: {(e.InnerException ?? e).Message.ReplaceLineEndings(" ")}";
        }
    }

    private static OrtValue Bind(OnnxTensor tensor, float[] memory) => OrtValue.CreateTensorValueFromMemory(memory, tensor.Shape);

    /// <summary>[heads, rows, dim] in the operator's order, each head <paramref name="repeat"/> times in a row.</summary>
    private float[] Arrange(float[] source, int heads, int rows, int repeat)
    {
        int dim = shape.HeadDim;
        int copies = heads * repeat;
        float[] arranged = new float[checked(copies * rows * dim)];
        for (int copy = 0; copy < copies; copy++)
        {
            for (int row = 0; row < rows; row++)
            {
                int place = OnnxAttentionModels.RowsFirst(kind) ? (row * copies) + copy : (copy * rows) + row;
                source.AsSpan((((copy / repeat) * rows) + row) * dim, dim).CopyTo(arranged.AsSpan(place * dim, dim));
            }
        }

        return arranged;
    }
}
