namespace ShadowAttn.Model.Gguf;

/// <summary>A tensor in the mapped file, [rows, columns] with the columns adjacent; more dimensions are folded into the rows.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">What its elements are.</param>
/// <param name="Lengths">Lengths as the file has them, innermost first.</param>
/// <param name="Data">Its first byte; valid as long as the file is open.</param>
public sealed unsafe record GgufTensor(string Name, GgufTensorType Type, IReadOnlyList<long> Lengths, nint Data)
{
    /// <summary>Adjacent elements of a row.</summary>
    public long Columns => Lengths[0];

    /// <summary>Rows: the product of the outer lengths.</summary>
    public long Rows
    {
        get
        {
            long rows = 1;
            for (int d = 1; d < Lengths.Count; d++)
            {
                rows *= Lengths[d];
            }

            return rows;
        }
    }

    /// <summary>Bytes of a row.</summary>
    public long RowBytes => Columns / Type.BlockElements * Type.BlockBytes;

    /// <summary>The first byte of a row; not checked.</summary>
    /// <param name="row">The row.</param>
    internal byte* Row(long row) => (byte*)Data + (row * RowBytes);

    /// <summary>The shape as text, innermost first as GGUF tools print it.</summary>
    internal string Shape => $"[{string.Join(", ", Lengths)}]";
}
