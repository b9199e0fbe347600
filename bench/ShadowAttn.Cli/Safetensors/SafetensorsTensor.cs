namespace ShadowAttn.Cli.Safetensors;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
/// <param name="Name">Name, unique in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Lengths, outermost first; may be empty (a scalar).</param>
/// <param name="DataOffset">First byte, from the start of the file's data.</param>
/// <param name="ByteLength">Size in bytes, which is what <paramref name="Shape"/> and <paramref name="Type"/> need.</param>
public sealed record SafetensorsTensor(string Name, SafetensorsType Type, IReadOnlyList<long> Shape, long DataOffset, long ByteLength)
{
    /// <summary>The shape as messages print it.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
