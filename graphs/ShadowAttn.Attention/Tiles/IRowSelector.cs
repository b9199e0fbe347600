namespace ShadowAttn.Attention;

/// <summary>Decides which keys a row keeps, and what the tail of the dropped ones weighs.</summary>
internal unsafe interface IRowSelector
{
    /// <summary>Keys that share a float estimate.</summary>
    int KeysPerEstimate => 1;

    /// <summary>Whether it reads <see cref="RowPilot.Origin"/>; an order of scores does without.</summary>
    bool NeedsOrigin => true;

    /// <summary>Selects one row into <paramref name="mask"/>.</summary>
    /// <param name="row">The row.</param>
    /// <param name="outliers">Keys whose products are in larger steps; their scores are not any more.</param>
    /// <param name="scratch">The worker's scratch.</param>
    /// <param name="mask">Receives ⌈visible/64⌉ words.</param>
    /// <param name="guess">The threshold of the row before; receives this row's.</param>
    /// <param name="rescored">Incremented when the row was ordered again.</param>
    RowChoice Select(
        in RowPilot row, ReadOnlySpan<KeyOutlier> outliers, WorkerScratch scratch, ulong* mask, ref int guess, ref int rescored);
}
