namespace ShadowAttn.Bench.Peers.OnnxRuntime;

/// <summary>The element types of ONNX tensors that attention models use, with ONNX's own numbers.</summary>
public enum OnnxElementType
{
    /// <summary>fp32.</summary>
    Float = 1,

    /// <summary>int32.</summary>
    Int32 = 6,
}

/// <summary>An input or output of a model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Shape">Its shape; empty for a scalar.</param>
public sealed record OnnxTensor(string Name, OnnxElementType Type, long[] Shape);

/// <summary>A model of a single operator, serialised in ONNX's protocol buffer format (onnx.proto3).</summary>
/// <param name="OperatorType">The operator.</param>
/// <param name="Domain">The operator's domain; empty for ONNX's own.</param>
/// <param name="Inputs">The inputs in the operator's order; null for one that is left out.</param>
/// <param name="Outputs">The outputs in the operator's order.</param>
/// <param name="Numbers">Integer attributes.</param>
/// <param name="Floats">Float attributes.</param>
public sealed record OnnxModel(
    string OperatorType,
    string Domain,
    IReadOnlyList<OnnxTensor?> Inputs,
    IReadOnlyList<OnnxTensor> Outputs,
    IReadOnlyDictionary<string, long> Numbers,
    IReadOnlyDictionary<string, float> Floats)
{
    private const long IrVersion = 10;
    private const long OnnxOpset = 23;
    private const long ContribOpset = 1;

    /// <summary>The bytes of the model file.</summary>
    public byte[] Serialize()
    {
        var model = new ProtobufWriter();
        model.Number(1, IrVersion);
        model.Text(2, "ShadowAttn.Bench");
        model.Message(7, WriteGraph);
        model.Message(8, opset => opset.Number(2, OnnxOpset));
        if (Domain.Length > 0)
        {
            model.Message(8, opset =>
            {
                opset.Text(1, Domain);
                opset.Number(2, ContribOpset);
            });
        }

        return model.ToArray();
    }

    private void WriteGraph(ProtobufWriter graph)
    {
        graph.Message(1, WriteNode);
        graph.Text(2, "attention");
        foreach (OnnxTensor? input in Inputs)
        {
            if (input is not null)
            {
                graph.Message(11, value => WriteValueInfo(value, input));
            }
        }

        foreach (OnnxTensor output in Outputs)
        {
            graph.Message(12, value => WriteValueInfo(value, output));
        }
    }

    private void WriteNode(ProtobufWriter node)
    {
        const int typeFloat = 1;
        const int typeInt = 2;
        foreach (OnnxTensor? input in Inputs)
        {
            node.Text(1, input?.Name ?? string.Empty);
        }

        foreach (OnnxTensor output in Outputs)
        {
            node.Text(2, output.Name);
        }

        node.Text(3, OperatorType);
        node.Text(4, OperatorType);
        foreach ((string name, long number) in Numbers)
        {
            node.Message(5, attribute =>
            {
                attribute.Text(1, name);
                attribute.Number(3, number);
                attribute.Number(20, typeInt);
            });
        }

        foreach ((string name, float number) in Floats)
        {
            node.Message(5, attribute =>
            {
                attribute.Text(1, name);
                attribute.Float(2, number);
                attribute.Number(20, typeFloat);
            });
        }

        node.Text(7, Domain);
    }

    private static void WriteValueInfo(ProtobufWriter value, OnnxTensor tensor)
    {
        value.Text(1, tensor.Name);
        value.Message(2, type => type.Message(1, tensorType =>
        {
            tensorType.Number(1, (long)tensor.Type);
            tensorType.Message(2, shape =>
            {
                foreach (long size in tensor.Shape)
                {
                    shape.Message(1, dimension => dimension.Number(1, size));
                }
            });
        }));
    }
}
