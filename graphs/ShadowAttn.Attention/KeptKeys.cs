using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>Which keys each row kept, as bits: what <c>captured mass</c> and <c>recall</c> are computed from.</summary>
public sealed unsafe class KeptKeys : IDisposable
{
    private readonly UnmanagedBuffer buffer;

    /// <summary>Room for the masks of a call.</summary>
    /// <param name="heads">Query heads.</param>
    /// <param name="queries">Queries per head.</param>
    /// <param name="keys">Keys.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public KeptKeys(int heads, int queries, int keys)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(queries, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(keys, 1);
        Heads = heads;
        Queries = queries;
        Keys = keys;
        Words = (keys + 63) / 64;
        buffer = UnmanagedBuffer.Allocate(checked((nint)heads * queries * Words * sizeof(ulong)));
    }

    /// <summary>Query heads.</summary>
    public int Heads { get; }

    /// <summary>Queries per head.</summary>
    public int Queries { get; }

    /// <summary>Keys.</summary>
    public int Keys { get; }

    /// <summary>64-bit words per row.</summary>
    public int Words { get; }

    /// <summary>The mask of one row: bit k is set when key k was kept.</summary>
    /// <param name="head">The query head.</param>
    /// <param name="query">The query.</param>
    /// <exception cref="ArgumentOutOfRangeException">No such row.</exception>
    public Span<ulong> Row(int head, int query)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)head, (uint)Heads, nameof(head));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)query, (uint)Queries, nameof(query));
        return buffer.AsSpan<ulong>((((long)head * Queries) + query) * Words * sizeof(ulong), Words);
    }

    /// <summary>Marks every key that a row sees: what the modes that drop nothing keep.</summary>
    internal void MarkVisible(AttentionCall call)
    {
        for (int head = 0; head < Heads; head++)
        {
            for (int query = 0; query < Queries; query++)
            {
                MarkVisible(call, head, query);
            }
        }
    }

    /// <summary>The same for one row.</summary>
    internal void MarkVisible(AttentionCall call, int head, int query)
    {
        Span<ulong> row = Row(head, query);
        int visible = call.Visible(query);
        int first = call.First(query);
        row.Clear();
        row[..(visible / 64)].Fill(ulong.MaxValue);
        if (visible % 64 != 0)
        {
            row[visible / 64] = ulong.MaxValue >> (64 - (visible % 64));
        }

        row[..(first / 64)].Clear();
        row[first / 64] &= ulong.MaxValue << (first % 64);
    }

    /// <inheritdoc/>
    public void Dispose() => buffer.Dispose();
}
