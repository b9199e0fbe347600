namespace ShadowAttn.Cli.Bench;

/// <summary>The shape of one attention call; the queries are the last ones of the keys.</summary>
/// <param name="Heads">Query heads, a multiple of <paramref name="KvHeads"/>.</param>
/// <param name="KvHeads">KV heads.</param>
/// <param name="HeadDim">Channels per head.</param>
/// <param name="Queries">Query rows per head.</param>
/// <param name="Keys">Keys per KV head, at least <paramref name="Queries"/>.</param>
/// <param name="Causal">Whether a query sees only the keys up to its own position.</param>
public sealed record AttentionShape(int Heads, int KvHeads, int HeadDim, int Queries, int Keys, bool Causal)
{
    /// <summary>What q·k is multiplied with: 1/√dim.</summary>
    public float Scale => 1 / MathF.Sqrt(HeadDim);

    /// <summary>Query heads per KV head.</summary>
    public int Group => Heads / KvHeads;

    /// <summary>Elements of Q and of O.</summary>
    public int QueryLength => checked(Heads * Queries * HeadDim);

    /// <summary>Elements of K and of V.</summary>
    public int KeyLength => checked(KvHeads * Keys * HeadDim);

    /// <summary>Throws with what is wrong and what would be right.</summary>
    /// <exception cref="ArgumentException">A size below 1, heads that do not divide, or more queries than keys.</exception>
    public void Validate()
    {
        if (Heads < 1 || KvHeads < 1 || HeadDim < 1 || Queries < 1 || Keys < 1)
        {
            throw new ArgumentException($"{this}: every size must be at least 1");
        }

        if (Heads % KvHeads != 0)
        {
            throw new ArgumentException($"{Heads} heads are not a multiple of {KvHeads} KV heads");
        }

        if (Queries > Keys)
        {
            throw new ArgumentException($"{Queries} queries are more than {Keys} keys; the queries are the last ones of the keys");
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Heads} heads, {KvHeads} KV heads, dim {HeadDim}, {Queries} x {Keys}{(Causal ? " causal" : string.Empty)}";
}
