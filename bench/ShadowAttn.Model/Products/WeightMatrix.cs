using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Model.Products;

/// <summary>A weight matrix [outputs, inputs] in the mapped file, in whatever type it has there, and its bias.</summary>
internal sealed unsafe class WeightMatrix
{
    private readonly GgufTensor tensor;
    private readonly delegate*<byte*, float*, nint, void> dequantize;

    /// <summary>A matrix.</summary>
    /// <param name="tensor">Its tensor.</param>
    /// <param name="bias">As many numbers as outputs, or null.</param>
    public WeightMatrix(GgufTensor tensor, float[]? bias = null)
    {
        this.tensor = tensor;
        Bias = bias;
        dequantize = BlockFormats.Dequantize(tensor.Type);
        Outputs = (int)tensor.Rows;
        Inputs = (int)tensor.Columns;
    }

    /// <summary>Rows.</summary>
    public int Outputs { get; }

    /// <summary>Columns.</summary>
    public int Inputs { get; }

    /// <summary>What is added to each output; null for nothing.</summary>
    public float[]? Bias { get; }

    /// <summary>Elements of a block; parts of rows begin and end at multiples of it.</summary>
    public int BlockElements => tensor.Type.BlockElements;

    /// <summary>A part of a row as fp32.</summary>
    /// <param name="row">The row.</param>
    /// <param name="first">Its first element, a multiple of <see cref="BlockElements"/>.</param>
    /// <param name="count">Elements, a multiple of it as well.</param>
    /// <param name="destination">Receives them.</param>
    public void ReadRow(int row, int first, int count, float* destination) =>
        dequantize(tensor.Row(row) + (first / tensor.Type.BlockElements * tensor.Type.BlockBytes), destination, count);
}
