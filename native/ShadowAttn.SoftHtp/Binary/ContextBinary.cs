using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Binary;

/// <summary>A node as a binary has it: operands by tensor id.</summary>
internal sealed record BinaryNode(string Name, string TypeName, OpParameter[] Parameters, uint[] Inputs, uint[] Outputs);

/// <summary>A graph as a binary has it.</summary>
internal sealed record BinaryGraph(string Name, bool HalfPrecision, TensorInfo[] Tensors, BinaryNode[] Nodes);

/// <summary>Contents of a context binary.</summary>
internal sealed record ContextBinary(string BuildId, Platform Platform, BinaryGraph[] Graphs)
{
    /// <summary>Everything in <paramref name="context"/>, whose graphs must be finalised.</summary>
    internal static ContextBinary Of(ContextObject context, string buildId)
    {
        BinaryGraph[] graphs = Array.ConvertAll(context.Graphs(), graph =>
        {
            (TensorInfo[] tensors, OpCall[] nodes) = graph.Composition();
            return new BinaryGraph(
                graph.Name,
                graph.HalfPrecision,
                tensors,
                Array.ConvertAll(nodes, node => new BinaryNode(
                    node.Name,
                    node.TypeName,
                    node.Parameters,
                    Array.ConvertAll(node.Inputs, tensor => tensor.Id),
                    Array.ConvertAll(node.Outputs, tensor => tensor.Id))));
        });
        return new ContextBinary(buildId, context.Device?.Platform ?? Platform.Of(context.Instance.Options), graphs);
    }

    /// <summary>The binary's bytes; the same contents give the same bytes.</summary>
    internal byte[] Write()
    {
        using var stream = new MemoryStream();
        stream.SetLength(BinaryLayout.HeaderBytes);
        stream.Position = BinaryLayout.HeaderBytes;
        using var writer = new BinaryWriter(stream);
        writer.Write(BuildId);
        writer.Write(Platform.SocModel);
        writer.Write(Platform.Arch);
        writer.Write(Platform.VtcmMib);
        writer.Write(Graphs.Length);
        foreach (BinaryGraph graph in Graphs)
        {
            Write(writer, graph);
        }
        writer.Flush();
        byte[] binary = stream.ToArray();
        BinaryLayout.Seal(binary);
        return binary;
    }

    /// <summary>Reads the body of an intact binary; null when what it says cannot be.</summary>
    internal static unsafe ContextBinary? Read(ReadOnlySpan<byte> body)
    {
        fixed (byte* start = body)
        {
            using var stream = new UnmanagedMemoryStream(start, body.Length);
            using var reader = new BinaryReader(stream);
            try
            {
                string buildId = reader.ReadString();
                var platform = new Platform(reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32());
                var graphs = new BinaryGraph[ReadCount(reader)];
                for (int i = 0; i < graphs.Length; i++)
                {
                    graphs[i] = ReadGraph(reader);
                }
                return stream.Position == stream.Length ? new ContextBinary(buildId, platform, graphs) : null;
            }
            catch (Exception e) when (e is EndOfStreamException or InvalidDataException or FormatException or ArgumentException)
            {
                return null;
            }
        }
    }

    static void Write(BinaryWriter writer, BinaryGraph graph)
    {
        writer.Write(graph.Name);
        writer.Write(graph.HalfPrecision);
        writer.Write(graph.Tensors.Length);
        foreach (TensorInfo tensor in graph.Tensors)
        {
            Write(writer, tensor);
        }
        writer.Write(graph.Nodes.Length);
        foreach (BinaryNode node in graph.Nodes)
        {
            writer.Write(node.Name);
            writer.Write(node.TypeName);
            writer.Write(node.Parameters.Length);
            foreach (OpParameter parameter in node.Parameters)
            {
                writer.Write(parameter.Name);
                writer.Write((uint)parameter.Type);
                writer.Write(parameter.Bits);
                writer.Write(parameter.Tensor is not null);
                if (parameter.Tensor is not null)
                {
                    Write(writer, parameter.Tensor);
                }
            }
            Write(writer, node.Inputs);
            Write(writer, node.Outputs);
        }
    }

    static BinaryGraph ReadGraph(BinaryReader reader)
    {
        string name = reader.ReadString();
        bool halfPrecision = reader.ReadBoolean();
        var tensors = new TensorInfo[ReadCount(reader)];
        for (int i = 0; i < tensors.Length; i++)
        {
            tensors[i] = ReadTensor(reader);
        }
        var nodes = new BinaryNode[ReadCount(reader)];
        for (int i = 0; i < nodes.Length; i++)
        {
            string nodeName = reader.ReadString();
            string typeName = reader.ReadString();
            var parameters = new OpParameter[ReadCount(reader)];
            for (int p = 0; p < parameters.Length; p++)
            {
                parameters[p] = new OpParameter(
                    reader.ReadString(),
                    (Qnn_DataType_t)reader.ReadUInt32(),
                    reader.ReadUInt64(),
                    reader.ReadBoolean() ? ReadTensor(reader) : null);
            }
            nodes[i] = new BinaryNode(nodeName, typeName, parameters, ReadIds(reader), ReadIds(reader));
        }
        return new BinaryGraph(name, halfPrecision, tensors, nodes);
    }

    static void Write(BinaryWriter writer, TensorInfo tensor)
    {
        writer.Write(tensor.Id);
        writer.Write(tensor.Name);
        writer.Write((uint)tensor.Type);
        writer.Write((uint)tensor.DataType);
        Write(writer, tensor.Dimensions);
        writer.Write((byte)tensor.Encoding.Form);
        writer.Write(tensor.Encoding.Scale);
        writer.Write(tensor.Encoding.Offset);
        writer.Write(tensor.Encoding.Axis);
        writer.Write(tensor.Encoding.Scales.Length);
        for (int i = 0; i < tensor.Encoding.Scales.Length; i++)
        {
            writer.Write(tensor.Encoding.Scales[i]);
            writer.Write(tensor.Encoding.Offsets[i]);
        }
        if (tensor.IsStatic)
        {
            writer.Write(tensor.Data!);
        }
    }

    static TensorInfo ReadTensor(BinaryReader reader)
    {
        uint id = reader.ReadUInt32();
        string name = reader.ReadString();
        var type = (Qnn_TensorType_t)reader.ReadUInt32();
        var dataType = (Qnn_DataType_t)reader.ReadUInt32();
        uint[] dimensions = ReadIds(reader);
        var form = (EncodingForm)reader.ReadByte();
        float scale = reader.ReadSingle();
        int offset = reader.ReadInt32();
        int axis = reader.ReadInt32();
        var scales = new float[ReadCount(reader)];
        var offsets = new int[scales.Length];
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = reader.ReadSingle();
            offsets[i] = reader.ReadInt32();
        }
        if (form > EncodingForm.Other || TensorInfo.CountElements(dimensions, dataType) is not (long elements and > 0))
        {
            throw new InvalidDataException();
        }
        byte[]? data = null;
        if (type == Qnn_TensorType_t.QNN_TENSOR_TYPE_STATIC)
        {
            int bytes = checked((int)Math.Min(elements * DataTypes.Bytes(dataType), Remaining(reader) + 1));
            data = reader.ReadBytes(bytes);
            if (data.Length != elements * DataTypes.Bytes(dataType))
            {
                throw new InvalidDataException();
            }
        }
        return new TensorInfo
        {
            Id = id,
            Name = name,
            Type = type,
            DataType = dataType,
            Dimensions = dimensions,
            Encoding = new Encoding(form, scale, offset, axis, scales, offsets),
            Elements = elements,
            Data = data,
        };
    }

    static void Write(BinaryWriter writer, uint[] numbers)
    {
        writer.Write(numbers.Length);
        foreach (uint number in numbers)
        {
            writer.Write(number);
        }
    }

    static uint[] ReadIds(BinaryReader reader)
    {
        var numbers = new uint[ReadCount(reader)];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = reader.ReadUInt32();
        }
        return numbers;
    }

    static long Remaining(BinaryReader reader) => reader.BaseStream.Length - reader.BaseStream.Position;

    /// <summary>A number of things of which each takes at least one byte; so no lie in a binary makes this allocate more than its size.</summary>
    static int ReadCount(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        return count >= 0 && count <= Remaining(reader) ? count : throw new InvalidDataException();
    }
}
