namespace ShadowAttn.Cli.Safetensors;

/// <summary>An element type of the safetensors format.</summary>
/// <param name="Name">As the format spells it.</param>
/// <param name="Bits">Size of an element.</param>
public sealed record SafetensorsType(string Name, int Bits)
{
    /// <summary>IEEE single precision.</summary>
    public static SafetensorsType F32 { get; } = new("F32", 32);

    /// <summary>IEEE half precision.</summary>
    public static SafetensorsType F16 { get; } = new("F16", 16);

    /// <summary>The upper half of single precision.</summary>
    public static SafetensorsType Bf16 { get; } = new("BF16", 16);

    /// <summary>All types of the format.</summary>
    public static IReadOnlyList<SafetensorsType> All { get; } =
    [
        F32, F16, Bf16, new("F64", 64), new("C64", 64), new("I64", 64), new("U64", 64), new("I32", 32), new("U32", 32), new("I16", 16),
        new("U16", 16), new("I8", 8), new("U8", 8), new("BOOL", 8), new("F8_E5M2", 8), new("F8_E4M3", 8), new("F8_E8M0", 8),
        new("F8_E4M3FNUZ", 8), new("F8_E5M2FNUZ", 8), new("F6_E2M3", 6), new("F6_E3M2", 6), new("F4", 4),
    ];

    /// <inheritdoc/>
    public override string ToString() => Name;
}
