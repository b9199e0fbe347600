namespace ShadowAttn.Kernels;

/// <summary>An instruction set that a kernel variant is written for, in the order of preference within one architecture.</summary>
public enum InstructionSet
{
    /// <summary>Portable scalar code that reads like the formula; the reference of every test.</summary>
    Scalar,

    /// <summary>Arm Advanced SIMD (NEON), 128 bits.</summary>
    AdvSimd,

    /// <summary>Arm Advanced SIMD with the 8-bit dot product instructions (SDOT).</summary>
    Dp,

    /// <summary>x64 AVX2 with FMA, 256 bits.</summary>
    Avx2,

    /// <summary>x64 AVX2 with the VEX-encoded VNNI instructions (VPDPBUSD), 256 bits.</summary>
    AvxVnni,

    /// <summary>x64 AVX-512 F, BW, DQ, VL, VBMI, 512 bits.</summary>
    Avx512,
}
