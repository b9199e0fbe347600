namespace ShadowAttn.Kernels;

/// <summary>A number of register blocks that a kernel is compiled for; branches on it cost nothing.</summary>
internal interface IBlockCount
{
    /// <summary>The number of blocks.</summary>
    static abstract int Count { get; }

    /// <summary>Whether the only block is a part of a register.</summary>
    static virtual bool Masked => false;
}

/// <summary>One block that is a part of a register.</summary>
internal readonly struct PartBlock : IBlockCount
{
    public static int Count => 1;

    public static bool Masked => true;
}

internal readonly struct Blocks1 : IBlockCount
{
    public static int Count => 1;
}

internal readonly struct Blocks2 : IBlockCount
{
    public static int Count => 2;
}

internal readonly struct Blocks3 : IBlockCount
{
    public static int Count => 3;
}

internal readonly struct Blocks4 : IBlockCount
{
    public static int Count => 4;
}

internal readonly struct Blocks5 : IBlockCount
{
    public static int Count => 5;
}

internal readonly struct Blocks6 : IBlockCount
{
    public static int Count => 6;
}

internal readonly struct Blocks7 : IBlockCount
{
    public static int Count => 7;
}

internal readonly struct Blocks8 : IBlockCount
{
    public static int Count => 8;
}

internal readonly struct Blocks9 : IBlockCount
{
    public static int Count => 9;
}

internal readonly struct Blocks10 : IBlockCount
{
    public static int Count => 10;
}
