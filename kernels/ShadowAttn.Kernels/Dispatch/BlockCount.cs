namespace ShadowAttn.Kernels;

/// <summary>A number of register blocks that a kernel is compiled for; branches on it cost nothing.</summary>
internal interface IBlockCount
{
    /// <summary>The number of blocks.</summary>
    static abstract int Count { get; }

    /// <summary>The first block of the register that is read in part: the last block, or the last two of 16-bit numbers.</summary>
    static virtual int PartFrom => int.MaxValue;
}

/// <summary>One block that is a part of a register.</summary>
internal readonly struct PartBlock : IBlockCount
{
    public static int Count => 1;

    public static int PartFrom => 0;
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

/// <summary>2 blocks of 16-bit numbers, the last two parts of a register.</summary>
internal readonly struct PartBlocks2 : IBlockCount
{
    public static int Count => 2;

    public static int PartFrom => 0;
}

/// <summary>4 blocks of 16-bit numbers, the last two parts of a register.</summary>
internal readonly struct PartBlocks4 : IBlockCount
{
    public static int Count => 4;

    public static int PartFrom => 2;
}

/// <summary>6 blocks of 16-bit numbers, the last two parts of a register.</summary>
internal readonly struct PartBlocks6 : IBlockCount
{
    public static int Count => 6;

    public static int PartFrom => 4;
}

/// <summary>8 blocks of 16-bit numbers, the last two parts of a register.</summary>
internal readonly struct PartBlocks8 : IBlockCount
{
    public static int Count => 8;

    public static int PartFrom => 6;
}

/// <summary>10 blocks of 16-bit numbers, the last two parts of a register.</summary>
internal readonly struct PartBlocks10 : IBlockCount
{
    public static int Count => 10;

    public static int PartFrom => 8;
}
