namespace ShadowAttn.Attention;

/// <summary>
/// The block-sparse baseline: a row keeps the block of 64 keys that it is in and, of the others, those whose mean key it matches best, until it has as
/// many keys as its ratio says. <see cref="RowPilot.Estimates"/> has a number per block, the levels repeat it for each key.
/// </summary>
internal sealed unsafe class BlockSelector(HeadKeep keep, RowSelector rows) : IRowSelector
{
    /// <summary>Keys of a block: a word of the mask.</summary>
    public const int Block = 64;

    /// <inheritdoc/>
    public int KeysPerEstimate => Block;

    /// <inheritdoc/>
    public RowChoice Select(
        in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, WorkerScratch scratch, ulong* mask, ref int guess, ref int rescored)
    {
        RowChoice choice = default;
        int wanted = keep.Count(row.Head, row.Seen);
        int blocks = (row.Visible + Block - 1) / Block;
        for (int block = 0; block < blocks; block++)
        {
            scratch.Sort[block] = RowSelector.SortKey(block == blocks - 1 ? float.PositiveInfinity : row.Estimates[block], block);
        }

        new Span<ulong>(scratch.Sort, blocks).Sort();
        new Span<ulong>(mask, blocks).Clear();
        int next = blocks - 1;
        for (; next >= 0 && choice.Kept < wanted; next--)
        {
            int block = (int)(uint)scratch.Sort[next];
            int first = block == 0 ? row.Hidden : 0;
            int last = Math.Min(Block, row.Visible - (block * Block));
            mask[block] = (ulong.MaxValue >> (Block - last)) & (ulong.MaxValue << first);
            choice.Kept += last - first;
        }

        int highest = next < 0 ? sbyte.MinValue : row.Scores[Block * (int)(uint)scratch.Sort[next]];
        rows.Complete(row, mask, highest, ref choice);
        return choice;
    }
}
