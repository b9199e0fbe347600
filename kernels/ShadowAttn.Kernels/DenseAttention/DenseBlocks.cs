using System.Runtime.CompilerServices;

namespace ShadowAttn.Kernels;

/// <summary>The instruction set's part of <see cref="DenseBlocks{TTiles}"/>.</summary>
internal unsafe interface IDenseTiles
{
    /// <summary>Keys between two updates of the running maximum; a multiple of 64.</summary>
    static abstract int KeyBlock { get; }

    /// <summary>Elements between rows of logits.</summary>
    static abstract int LogitStride { get; }

    /// <summary>scaled = query·scale, [dim]; may write to the end of the row's last register of 16 elements.</summary>
    static abstract void Scale(float* query, float scale, int dim, float* scaled);

    /// <summary>logits [6][64 of LogitStride] = queries [6][dim of queryStride] times a panel [dim][64].</summary>
    static abstract void Logits(float* queries, nint queryStride, float* panel, int dim, float* logits);

    /// <summary>The largest of <paramref name="seen"/> ≥ 1 logits.</summary>
    static abstract float Largest(float* logits, int seen);

    /// <summary>
    /// Turns <paramref name="seen"/> logits into weights exp(logit - top) and returns their sum. What is behind them in the last register becomes 0.
    /// </summary>
    static abstract float Weigh(float* logits, float top, int seen);

    /// <summary>exp(x), x ≤ 0.</summary>
    static abstract float Exp(float x);

    /// <summary>
    /// sums [rows][dim of sumStride] = sums·shrink + weights·values. <paramref name="seen"/>[r] is how many keys row r sees and does not fall from
    /// row to row. Rows up to the next multiple of 24 may be touched.
    /// </summary>
    static abstract void Values(
        float* weights, float* values, nint valueStride, int dim, int rows, int* seen, float* shrink, float* sums, nint sumStride);

    /// <summary>output [dim] = sums·factor.</summary>
    static abstract void Finish(float* sums, float factor, int dim, float* output);
}

/// <summary>
/// output = softmax(scale·q·kᵀ)·v by blocks of keys: for each block and each group of 24 rows, logits of 6 rows x 64 keys at a time, new maxima,
/// weights, and sums over the values that shrink by exp(old maximum - new maximum). Panels and values that no row of a tile sees are left out.
/// 16-bit values are widened block by block. Scratch: logits of a group; sums [rows][dim]; scaled queries [rows][dim]; maximum and sum of each row;
/// shrink factors of a group and what its rows see; a block of widened values.
/// </summary>
internal static unsafe class DenseBlocks<TTiles>
    where TTiles : struct, IDenseTiles
{
    private const int TileRows = 6;
    private const int GroupRows = 24;

    public static nint ScratchFloats(int rows, int dim)
    {
        nint padded = Pad(rows, GroupRows);
        return (2 * padded * Pad(dim, 16)) + (GroupRows * TTiles.LogitStride) + (2 * padded) + (2 * GroupRows)
            + (TTiles.KeyBlock * Pad(dim, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Attend(DenseArguments* a)
    {
        int rows = a->Rows;
        int dim = a->Dim;
        int padded = Pad(rows, GroupRows);
        nint rowStride = Pad(dim, 16);
        float* logits = a->Scratch;
        float* sums = logits + (GroupRows * TTiles.LogitStride);
        float* queries = sums + (padded * rowStride);
        float* tops = queries + (padded * rowStride);
        float* totals = tops + padded;
        float* shrink = totals + padded;
        int* seen = (int*)(shrink + GroupRows);
        float* widened = (float*)(seen + GroupRows);
        bool widen = a->Values.Format != KvFormat.F32;
        nint valueStride = widen ? rowStride : a->Values.Stride;

        for (int r = 0; r < rows; r++)
        {
            TTiles.Scale(a->Queries + (r * a->QueryStride), a->Scale, dim, queries + (r * rowStride));
            new Span<float>(sums + (r * rowStride), (int)rowStride).Clear();
        }

        new Span<float>(tops, padded).Fill(float.NegativeInfinity);
        new Span<float>(totals, padded).Clear();

        int visible = a->FirstVisible + ((rows - 1) * a->VisibleStep);
        for (int key = 0; key < visible; key += TTiles.KeyBlock)
        {
            float* panels = a->PackedKeys + ((nint)key * dim);
            float* values = widened;
            if (widen)
            {
                a->Values.From(key).Widen(Math.Min(TTiles.KeyBlock, visible - key), dim, widened, rowStride);
            }
            else
            {
                values = a->Values.Floats + (key * valueStride);
            }

            for (int row = 0; row < rows; row += GroupRows)
            {
                int count = Math.Min(GroupRows, rows - row);
                int first = a->FirstVisible + (row * a->VisibleStep) - key;
                for (int r = 0; r < GroupRows; r++)
                {
                    seen[r] = Math.Clamp(first + (Math.Min(r, count - 1) * a->VisibleStep), 0, TTiles.KeyBlock);
                }

                if (seen[GroupRows - 1] == 0)
                {
                    continue;
                }

                for (int tile = 0; tile < count; tile += TileRows)
                {
                    for (int start = 0; start < seen[tile + TileRows - 1]; start += DenseKeyPanels.Width)
                    {
                        TTiles.Logits(
                            queries + ((row + tile) * rowStride),
                            rowStride,
                            panels + ((nint)start * dim),
                            dim,
                            logits + (tile * TTiles.LogitStride) + start);
                    }
                }

                Weigh(logits, count, seen, tops + row, totals + row, shrink);
                TTiles.Values(logits, values, valueStride, dim, count, seen, shrink, sums + (row * rowStride), rowStride);
            }
        }

        for (int r = 0; r < rows; r++)
        {
            TTiles.Finish(sums + (r * rowStride), 1 / totals[r], dim, a->Output + (r * a->OutputStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(float* logits, int count, int* seen, float* tops, float* totals, float* shrink)
    {
        int extent = seen[GroupRows - 1];
        for (int r = 0; r < count; r++)
        {
            float old = tops[r];
            if (seen[r] != 0)
            {
                tops[r] = MathF.Max(old, TTiles.Largest(logits + (r * TTiles.LogitStride), seen[r]));
            }

            shrink[r] = tops[r] == old ? 1 : TTiles.Exp(old - tops[r]);
        }

        for (int r = 0; r < count; r++)
        {
            float* row = logits + (r * TTiles.LogitStride);
            totals[r] = (totals[r] * shrink[r]) + TTiles.Weigh(row, tops[r], seen[r]);
            if (seen[r] < extent)
            {
                new Span<float>(row + seen[r], extent - seen[r]).Clear();
            }
        }
    }

    private static int Pad(int count, int multiple) => (count + multiple - 1) / multiple * multiple;
}
