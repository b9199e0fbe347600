namespace ShadowAttn.Model.Gguf;

/// <summary>What the elements of a tensor are: a name, and how many elements share a block of how many bytes.</summary>
/// <param name="Id">The number in the file.</param>
/// <param name="Name">The type's name.</param>
/// <param name="BlockElements">Elements of a block.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
public sealed record GgufTensorType(uint Id, string Name, int BlockElements, int BlockBytes)
{
    /// <summary>fp32.</summary>
    public static readonly GgufTensorType F32 = new(0, "F32", 1, 4);

    /// <summary>fp16.</summary>
    public static readonly GgufTensorType F16 = new(1, "F16", 1, 2);

    /// <summary>4 bits, fp16 scale.</summary>
    public static readonly GgufTensorType Q4_0 = new(2, "Q4_0", 32, 18);

    /// <summary>4 bits, fp16 scale and minimum.</summary>
    public static readonly GgufTensorType Q4_1 = new(3, "Q4_1", 32, 20);

    /// <summary>5 bits, fp16 scale.</summary>
    public static readonly GgufTensorType Q5_0 = new(6, "Q5_0", 32, 22);

    /// <summary>5 bits, fp16 scale and minimum.</summary>
    public static readonly GgufTensorType Q5_1 = new(7, "Q5_1", 32, 24);

    /// <summary>8 bits, fp16 scale.</summary>
    public static readonly GgufTensorType Q8_0 = new(8, "Q8_0", 32, 34);

    /// <summary>4 bits, 6-bit scales and minima in a superblock.</summary>
    public static readonly GgufTensorType Q4_K = new(12, "Q4_K", 256, 144);

    /// <summary>5 bits, 6-bit scales and minima in a superblock.</summary>
    public static readonly GgufTensorType Q5_K = new(13, "Q5_K", 256, 176);

    /// <summary>6 bits, 8-bit scales in a superblock.</summary>
    public static readonly GgufTensorType Q6_K = new(14, "Q6_K", 256, 210);

    /// <summary>bfloat16.</summary>
    public static readonly GgufTensorType BF16 = new(30, "BF16", 1, 2);

    /// <summary>All types that can be read.</summary>
    public static IReadOnlyList<GgufTensorType> All { get; } = [F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K];

    // Types that exist and are not read, so that a message can name them.
    private static readonly (uint Id, string Name)[] s_others =
    [
        (9, "Q8_1"), (10, "Q2_K"), (11, "Q3_K"), (15, "Q8_K"), (16, "IQ2_XXS"), (17, "IQ2_XS"), (18, "IQ3_XXS"), (19, "IQ1_S"), (20, "IQ4_NL"),
        (21, "IQ3_S"), (22, "IQ2_S"), (23, "IQ4_XS"), (24, "I8"), (25, "I16"), (26, "I32"), (27, "I64"), (28, "F64"), (29, "IQ1_M"), (34, "TQ1_0"),
        (35, "TQ2_0"), (39, "MXFP4"),
    ];

    /// <summary>The type of a number in a file, or null when it cannot be read.</summary>
    /// <param name="id">The number.</param>
    public static GgufTensorType? Find(uint id)
    {
        foreach (GgufTensorType type in All)
        {
            if (type.Id == id)
            {
                return type;
            }
        }

        return null;
    }

    /// <summary>The name of a type that cannot be read.</summary>
    /// <param name="id">The number in the file.</param>
    internal static string NameOfUnknown(uint id)
    {
        int index = Array.FindIndex(s_others, o => o.Id == id);
        return index < 0 ? $"number {id}" : s_others[index].Name;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
