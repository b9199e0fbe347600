namespace ShadowAttn.InstructionCount;

/// <summary>
/// A layer of so many heads over two KV heads, 512 x 512 causal, made of a trace with three KV heads and three heads for each: KV head g's
/// queries are the trace's head 3·g + j mod 3. With dim 128 the upper half of the channels is that of the next KV head.
/// </summary>
/// <param name="Name">The name in tables.</param>
/// <param name="Dim">Channels: 64 or 128.</param>
/// <param name="Heads">Query heads.</param>
internal sealed record Case(string Name, int Dim, int Heads)
{
    public const int KvHeads = 2;
    public const int Tokens = 512;
    public const double Keep = 0.2;

    /// <summary>Different query heads that a KV head has.</summary>
    public const int Different = 3;

    public static IReadOnlyList<Case> All { get; } = [new("A", 64, 14), new("B", 128, 12)];

    /// <summary>The pilot's shift: ⌈log2 dim⌉.</summary>
    public int Shift => Dim == 64 ? 6 : 7;

    public float Scale => 1 / MathF.Sqrt(Dim);

    /// <summary>The standard deviation that a row's scores may have, before the shift.</summary>
    public float Sigma0 => 127f * (1 << Shift) / 3;

    public static int Kept(int visible) => (int)Math.Ceiling(Keep * visible);

    /// <summary>How many heads of a KV head are the one numbered <paramref name="j"/>.</summary>
    public int Weight(int j) => ((Heads / KvHeads) - j + Different - 1) / Different;
}
