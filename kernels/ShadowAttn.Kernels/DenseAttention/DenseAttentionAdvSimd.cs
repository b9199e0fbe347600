using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace ShadowAttn.Kernels;

/// <summary>
/// output_r = Σ_i w_i v_i / Σ_i w_i, w_i = 2^(power·q_r·k_i - max_i), power = scale·log2(e), over blocks of 256 keys with a running maximum.
/// Keys are packed into panels of 8, [⌈keys/8⌉][dim][8], zero behind the last key. Rows go in tiles of 8, queries scaled and transposed to
/// [dim][8 rows]; logits and weights of a block lie as [key][8 rows], so maxima and sums of all 8 rows are two registers and nothing is reduced across lanes.
/// Scratch: weights of a block [256][8]; the last dim % 8 channels of its values [256][8]; per tile the queries [dim][8], maxima [8], sums [8] and
/// running outputs [8 rows][⌈dim/8⌉·8]. 16-bit values are widened block by block behind the tiles, [256][dim]. All tiles of a call
/// take a block of keys before the next block is touched.
/// A few rows left over go one by one (<see cref="DenseRowAdvSimd"/>), with the same operations in the same order.
/// </summary>
internal static unsafe class DenseAttentionAdvSimd
{
    /// <summary>Rows of a tile and keys of a panel.</summary>
    public const int Tile = 8;

    /// <summary>Keys per step of the running maximum and sum.</summary>
    public const int KeyBlock = 256;

    /// <summary>A last tile with no more rows than this goes row by row.</summary>
    private const int FewRows = 4;

    /// <summary>The same where each row widens the values again.</summary>
    private const int FewRowsToWiden = 2;

    private const int Rows = 64;

    public static DenseAttentionKernel Kernel => new(Rows, &PackedFloats, &PackKeys, &ScratchFloats, &Attend, Tile);

    public static nint PackedFloats(int keys, int dim) => ((nint)keys + Tile - 1) / Tile * Tile * dim;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackKeys(KvRows* k, int firstKey, int keys, int dim, float* packed)
    {
        bool widen = k->Format != KvFormat.F32;
        float* widened = stackalloc float[widen ? Tile * dim : 0];
        for (int key = firstKey; key < firstKey + keys; key += Tile)
        {
            int count = Math.Min(Tile, firstKey + keys - key);
            if (widen)
            {
                k->From(key).Widen(count, dim, widened, dim);
                DenseTilesAdvSimd.Transpose(widened, dim, count, dim, 1, packed + ((nint)key * dim));
            }
            else
            {
                DenseTilesAdvSimd.Transpose(k->Floats + (key * k->Stride), k->Stride, count, dim, 1, packed + ((nint)key * dim));
            }
        }
    }

    public static nint ScratchFloats(int rows, int dim) =>
        (2 * KeyBlock * Tile) + (((nint)rows + Tile - 1) / Tile * TileFloats(dim)) + (KeyBlock * (nint)dim);

    public static void Attend(DenseArguments* a)
    {
        int dim = a->Dim;
        bool widen = a->Values.Format != KvFormat.F32;
        int few = a->Rows % Tile <= (widen ? FewRowsToWiden : FewRows) ? a->Rows % Tile : 0;
        int tiles = (a->Rows - few + Tile - 1) / Tile;
        float* weights = a->Scratch;
        float* edgeValues = weights + (KeyBlock * Tile);
        float* states = edgeValues + (KeyBlock * Tile);
        float* widened = states + (((nint)a->Rows + Tile - 1) / Tile * TileFloats(dim));
        float power = a->Scale * ExpAdvSimd.Log2E;
        for (int tile = 0; tile < tiles; tile++)
        {
            float* queries = a->Queries + (tile * Tile * a->QueryStride);
            int rows = Math.Min(Tile, a->Rows - (tile * Tile));
            DenseTilesAdvSimd.Transpose(queries, a->QueryStride, rows, dim, power, states + (tile * TileFloats(dim)));
        }

        int visible = tiles == 0 ? 0 : a->FirstVisible + ((a->Rows - few - 1) * a->VisibleStep);
        for (int key = 0; key < visible; key += KeyBlock)
        {
            int blockKeys = Math.Min(KeyBlock, visible - key);
            KvRows values = a->Values.From(key);
            if (widen)
            {
                values.Widen(blockKeys, dim, widened, dim);
                values = new KvRows(widened, dim);
            }

            if (dim % 8 != 0)
            {
                CopyEdge(values.Floats + (dim & ~7), values.Stride, blockKeys, dim % 8, edgeValues);
            }

            for (int tile = 0; tile < tiles; tile++)
            {
                Attend(a, tile, key, values, weights, edgeValues, states + (tile * TileFloats(dim)));
            }
        }

        for (int row = a->Rows - few; row < a->Rows; row++)
        {
            AttendRow(a, row, power, weights, states, widened);
        }
    }

    private static void AttendRow(DenseArguments* a, int row, float power, float* weights, float* scaled, float* widened)
    {
        float* query = a->Queries + (row * a->QueryStride);
        for (int d = 0; d < a->Dim; d++)
        {
            scaled[d] = query[d] * power;
        }

        DenseRowAdvSimd.Attend(
            scaled, a->PackedKeys, a->Values, a->Dim, a->FirstVisible + (row * a->VisibleStep), weights, widened,
            a->Output + (row * a->OutputStride));
    }

    private static nint TileFloats(int dim) => ((nint)dim * Tile) + (2 * Tile) + (((nint)dim + 7) / 8 * 8 * Tile);

    /// <summary>One tile of rows against the block of keys, with its values, from <paramref name="firstKey"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Attend(DenseArguments* a, int tile, int firstKey, KvRows rowsOfBlock, float* weights, float* edgeValues, float* state)
    {
        int dim = a->Dim;
        int row = tile * Tile;
        int rows = Math.Min(Tile, a->Rows - row);
        int visible = a->FirstVisible + ((row + rows - 1) * a->VisibleStep);
        int keys = Math.Min(KeyBlock, visible - firstKey);
        if (keys <= 0)
        {
            return;
        }

        float* queries = state;
        float* maxima = queries + ((nint)dim * Tile);
        float* sums = maxima + Tile;
        float* running = sums + Tile;
        int widthBytes = ((dim + 7) & ~7) * sizeof(float);
        bool isFirst = firstKey == 0;
        bool isLast = firstKey + keys == visible;

        float* oldMaxima = stackalloc float[Tile];
        if (isFirst)
        {
            new Span<float>(maxima, Tile).Fill(float.NegativeInfinity);
            new Span<float>(sums, Tile).Clear();
        }

        new ReadOnlySpan<float>(maxima, Tile).CopyTo(new Span<float>(oldMaxima, Tile));

        // Keys that every row of the tile sees, in whole panels; the rest is masked row by row.
        int common = Math.Clamp(a->FirstVisible + (row * a->VisibleStep) - firstKey, 0, keys) & ~(Tile - 1);
        float* packed = a->PackedKeys + ((nint)firstKey * dim);
        DenseTilesAdvSimd.Logits(queries, packed, common / Tile, dim, weights, maxima);
        if (common < keys)
        {
            float* edge = weights + (common * Tile);
            int edgePanels = (keys - common + Tile - 1) / Tile;
            DenseTilesAdvSimd.Logits(queries, packed + ((nint)common * dim), edgePanels, dim, edge, null);
            Mask(edge, edgePanels * Tile, firstKey + common - (a->FirstVisible + (row * a->VisibleStep)), a->VisibleStep, maxima);
        }

        (Vector128<float> factor0, Vector128<float> factor1) = Weigh(weights, common, keys, oldMaxima, maxima, sums);
        Vector128<float> scale0 = Vector128.Create(1f);
        Vector128<float> scale1 = scale0;
        float* target = running;
        nint targetBytes = widthBytes;
        bool direct = false;
        if (isLast)
        {
            scale0 /= Vector128.Load(sums);
            scale1 /= Vector128.Load(sums + 4);
            direct = rows == Tile;
            if (direct)
            {
                target = a->Output + (row * a->OutputStride);
                targetBytes = a->OutputStride * sizeof(float);
            }
        }

        nint valueBytes = rowsOfBlock.Stride * sizeof(float);
        float* values = rowsOfBlock.Floats;
        int d = 0;
        for (; d + 8 <= dim; d += 8)
        {
            DenseTilesAdvSimd.Values(
                weights, values + d, valueBytes, keys, isFirst ? null : running + d, widthBytes, factor0, factor1, scale0, scale1, target + d,
                targetBytes);
        }

        if (d < dim)
        {
            DenseTilesAdvSimd.Values(
                weights, edgeValues, 8 * sizeof(float), keys, isFirst ? null : running + d, widthBytes, factor0, factor1, scale0, scale1,
                running + d, widthBytes);
        }

        if (isLast && (!direct || d < dim))
        {
            int from = direct ? d : 0;
            for (int r = 0; r < rows; r++)
            {
                float* output = a->Output + ((row + r) * a->OutputStride);
                new ReadOnlySpan<float>(running + (r * (widthBytes / sizeof(float))) + from, dim - from)
                    .CopyTo(new Span<float>(output + from, dim - from));
            }
        }
    }

    /// <summary>Row r of the tile sees key i when i + ahead &lt; r·step; other logits become -∞. Then the maxima take part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mask(float* logits, int keys, int ahead, int step, float* maxima)
    {
        Vector128<float> max0 = Vector128.Load(maxima);
        Vector128<float> max1 = Vector128.Load(maxima + 4);
        Vector128<float> lowest = Vector128.Create(float.NegativeInfinity);
        Vector128<int> sees0 = Vector128<int>.Indices * step;
        Vector128<int> sees1 = (Vector128<int>.Indices + Vector128.Create(4)) * step;
        for (int i = 0; i < keys; i++, logits += Tile)
        {
            Vector128<int> key = Vector128.Create(i + ahead);
            Vector128<float> a = AdvSimd.BitwiseSelect(AdvSimd.CompareGreaterThan(sees0, key).AsSingle(), Vector128.Load(logits), lowest);
            Vector128<float> b = AdvSimd.BitwiseSelect(AdvSimd.CompareGreaterThan(sees1, key).AsSingle(), Vector128.Load(logits + 4), lowest);
            a.Store(logits);
            b.Store(logits + 4);
            max0 = AdvSimd.Max(max0, a);
            max1 = AdvSimd.Max(max1, b);
        }

        max0.Store(maxima);
        max1.Store(maxima + 4);
    }

    /// <summary>
    /// Logits to weights in place, in whole panels, masked ones only from key <paramref name="common"/> on; adds them to the sums [8]: keys by their
    /// remainder mod 4, then (0 + 1) + (2 + 3). Returns the factors that bring what was relative to the old maxima to the new ones.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (Vector128<float> Factor0, Vector128<float> Factor1) Weigh(
        float* weights, int common, int keys, float* oldMaxima, float* maxima, float* sums)
    {
        Vector128<float> max0 = Vector128.Load(maxima);
        Vector128<float> max1 = Vector128.Load(maxima + 4);

        // Before the loop: so the constants of Weight are in registers when it starts.
        Vector128<float> factor0 = ExpAdvSimd.Weight(Vector128.Load(oldMaxima) - max0);
        Vector128<float> factor1 = ExpAdvSimd.Weight(Vector128.Load(oldMaxima + 4) - max1);
        Vector128<float> s0 = Vector128<float>.Zero;
        Vector128<float> t0 = Vector128<float>.Zero;
        Vector128<float> s1 = Vector128<float>.Zero;
        Vector128<float> t1 = Vector128<float>.Zero;
        Vector128<float> s2 = Vector128<float>.Zero;
        Vector128<float> t2 = Vector128<float>.Zero;
        Vector128<float> s3 = Vector128<float>.Zero;
        Vector128<float> t3 = Vector128<float>.Zero;
        float* end = weights + (((keys + Tile - 1) & ~(Tile - 1)) * Tile);
        for (float* masked = weights + (common * Tile); weights < masked; weights += 4 * Tile)
        {
            Vector128<float> a0 = Vector128.Load(weights);
            Vector128<float> b0 = Vector128.Load(weights + 4);
            Vector128<float> a1 = Vector128.Load(weights + 8);
            Vector128<float> b1 = Vector128.Load(weights + 12);
            Vector128<float> a2 = Vector128.Load(weights + 16);
            Vector128<float> b2 = Vector128.Load(weights + 20);
            Vector128<float> a3 = Vector128.Load(weights + 24);
            Vector128<float> b3 = Vector128.Load(weights + 28);
            Vector128<float> x0 = ExpAdvSimd.Weight(a0 - max0);
            Vector128<float> y0 = ExpAdvSimd.Weight(b0 - max1);
            x0.Store(weights);
            y0.Store(weights + 4);
            s0 += x0;
            t0 += y0;
            Vector128<float> x1 = ExpAdvSimd.Weight(a1 - max0);
            Vector128<float> y1 = ExpAdvSimd.Weight(b1 - max1);
            x1.Store(weights + 8);
            y1.Store(weights + 12);
            s1 += x1;
            t1 += y1;
            Vector128<float> x2 = ExpAdvSimd.Weight(a2 - max0);
            Vector128<float> y2 = ExpAdvSimd.Weight(b2 - max1);
            x2.Store(weights + 16);
            y2.Store(weights + 20);
            s2 += x2;
            t2 += y2;
            Vector128<float> x3 = ExpAdvSimd.Weight(a3 - max0);
            Vector128<float> y3 = ExpAdvSimd.Weight(b3 - max1);
            x3.Store(weights + 24);
            y3.Store(weights + 28);
            s3 += x3;
            t3 += y3;
        }

        Vector128<float> lowest = Vector128.Create(float.NegativeInfinity);
        for (; weights < end; weights += 4 * Tile)
        {
            for (int key = 0; key < 4; key++)
            {
                float* w = weights + (key * Tile);
                Vector128<float> a = Vector128.Load(w);
                Vector128<float> b = Vector128.Load(w + 4);
                AdvSimd.BitwiseClear(ExpAdvSimd.Weight(a - max0), AdvSimd.CompareEqual(a, lowest)).Store(w);
                AdvSimd.BitwiseClear(ExpAdvSimd.Weight(b - max1), AdvSimd.CompareEqual(b, lowest)).Store(w + 4);
            }

            s0 += Vector128.Load(weights);
            t0 += Vector128.Load(weights + 4);
            s1 += Vector128.Load(weights + 8);
            t1 += Vector128.Load(weights + 12);
            s2 += Vector128.Load(weights + 16);
            t2 += Vector128.Load(weights + 20);
            s3 += Vector128.Load(weights + 24);
            t3 += Vector128.Load(weights + 28);
        }

        s0 = (s0 + s1) + (s2 + s3);
        t0 = (t0 + t1) + (t2 + t3);
        AdvSimd.FusedMultiplyAdd(s0, Vector128.Load(sums), factor0).Store(sums);
        AdvSimd.FusedMultiplyAdd(t0, Vector128.Load(sums + 4), factor1).Store(sums + 4);
        return (factor0, factor1);
    }

    private static void CopyEdge(float* values, nint stride, int keys, int channels, float* panel)
    {
        new Span<float>(panel, keys * 8).Clear();
        for (int key = 0; key < keys; key++)
        {
            new ReadOnlySpan<float>(values + (key * stride), channels).CopyTo(new Span<float>(panel + (key * 8), channels));
        }
    }
}
