using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Model.Products;

/// <summary>A product to compute: y [rows, outputs] = x·Wᵀ + bias, or y += x·Wᵀ.</summary>
/// <param name="Weights">W.</param>
/// <param name="Y">The first element of y.</param>
/// <param name="Stride">Elements between rows of y.</param>
/// <param name="Add">Whether the product is added to what is in y; without a bias then.</param>
internal readonly unsafe record struct ProductTarget(WeightMatrix Weights, nint Y, nint Stride, bool Add = false);

/// <summary>
/// y = x·Wᵀ for weights that stay quantised in memory. With many rows of x, a panel of 64 outputs is turned into fp32 and transposed once per
/// item of work, [inputs, 64], and the dense product kernel runs over it in slices of 128 inputs, which stay in the L1 cache; that costs a few percent
/// of the time. With few rows, each row of W is turned into fp32 beside the dot products that it is for.
/// </summary>
/// <remarks>An output depends on the number of rows (few or many) but not on the number of threads.</remarks>
internal sealed unsafe class WeightProducts : IWorkerJob, IDisposable
{
    private const int PanelOutputs = 64;
    private const int PanelInputs = 256;
    private const int SliceInputs = 128;
    private const int FewRows = 4;
    private const int LeastRowsPerItem = 192;

    // Not a power of two, so that a column of the slab does not fall into few sets of the cache.
    private const int SlabStride = PanelInputs + 16;

    private readonly WorkerPool pool;
    private readonly DenseProductKernel kernel = DenseProduct.Kernels.Best.Kernel;
    private readonly UnmanagedBuffer[] scratch;
    private readonly int mostInputs;
    private ProductTarget[] targets = [];
    private float* x;
    private nint xStride;
    private int rows;
    private int rowParts;
    private int items;
    private int next;

    /// <summary>Makes the scratch of all workers.</summary>
    /// <param name="pool">The workers.</param>
    /// <param name="mostInputs">Inputs of the widest matrix.</param>
    public WeightProducts(WorkerPool pool, int mostInputs)
    {
        this.pool = pool;
        this.mostInputs = mostInputs;
        scratch = new UnmanagedBuffer[pool.Threads];
        for (int i = 0; i < scratch.Length; i++)
        {
            scratch[i] = UnmanagedBuffer.Allocate(((PanelOutputs * SlabStride) + (PanelInputs * PanelOutputs) + (long)mostInputs) * sizeof(float));
        }
    }

    /// <summary>Computes products of the same x.</summary>
    /// <param name="input">The first element of x [rows, inputs].</param>
    /// <param name="stride">Elements between rows of x.</param>
    /// <param name="rowCount">Rows of x.</param>
    /// <param name="products">What to compute; all matrices have the same number of inputs.</param>
    public void Multiply(float* input, nint stride, int rowCount, params ProductTarget[] products)
    {
        targets = products;
        x = input;
        xStride = stride;
        rows = rowCount;
        int panels = 0;
        foreach (ProductTarget target in products)
        {
            if (target.Weights.Inputs > mostInputs)
            {
                throw new ArgumentException($"{target.Weights.Inputs} inputs; the scratch is for {mostInputs}", nameof(products));
            }

            panels += Panels(target);
        }

        // Few panels leave threads without work at the end; then the rows are shared out as well.
        rowParts = panels < 8 * pool.Threads ? Math.Clamp(rowCount / LeastRowsPerItem, 1, 4) : 1;
        items = panels * rowParts;
        next = 0;
        pool.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        float* slab = (float*)scratch[worker].Pointer;
        for (int item; (item = Interlocked.Increment(ref next) - 1) < items;)
        {
            int panel = item / rowParts;
            int part = item % rowParts;
            int t = 0;
            while (panel >= Panels(targets[t]))
            {
                panel -= Panels(targets[t++]);
            }

            int firstRow = (int)((long)rows * part / rowParts);
            int lastRow = (int)((long)rows * (part + 1) / rowParts);
            int first = panel * PanelOutputs;
            int count = Math.Min(PanelOutputs, targets[t].Weights.Outputs - first);
            if (rows < FewRows)
            {
                Dots(targets[t], first, count, slab);
            }
            else
            {
                Panel(targets[t], first, count, firstRow, lastRow - firstRow, slab);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (UnmanagedBuffer buffer in scratch)
        {
            buffer.Dispose();
        }
    }

    private static int Panels(in ProductTarget target) => (target.Weights.Outputs + PanelOutputs - 1) / PanelOutputs;

    private void Panel(in ProductTarget target, int first, int count, int firstRow, int rowCount, float* slab)
    {
        float* panel = slab + (PanelOutputs * SlabStride);
        float* y = (float*)target.Y + (firstRow * target.Stride) + first;
        Initialise(target, first, count, y, rowCount);
        for (int k = 0; k < target.Weights.Inputs; k += PanelInputs)
        {
            int depth = Math.Min(PanelInputs, target.Weights.Inputs - k);
            for (int output = 0; output < count; output++)
            {
                target.Weights.ReadRow(first + output, k, depth, slab + (output * SlabStride));
            }

            Transpose(slab, count, depth, panel);
            for (int slice = 0; slice < depth; slice += SliceInputs)
            {
                kernel.Add(
                    x + (firstRow * xStride) + k + slice, xStride, 1, rowCount, Math.Min(SliceInputs, depth - slice),
                    panel + (slice * PanelOutputs), PanelOutputs, count, y, target.Stride);
            }
        }
    }

    private static void Initialise(in ProductTarget target, int first, int count, float* y, int rowCount)
    {
        if (target.Add)
        {
            return;
        }

        for (int row = 0; row < rowCount; row++)
        {
            var part = new Span<float>(y + (row * target.Stride), count);
            if (target.Weights.Bias is { } bias)
            {
                bias.AsSpan(first, count).CopyTo(part);
            }
            else
            {
                part.Clear();
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* slab, int count, int depth, float* panel)
    {
        int output = 0;
        for (; output <= count - 4; output += 4)
        {
            float* source = slab + (output * SlabStride);
            float* destination = panel + output;
            for (int k = 0; k < depth; k++)
            {
                float a = source[k];
                float b = source[k + SlabStride];
                float c = source[k + (2 * SlabStride)];
                float d = source[k + (3 * SlabStride)];
                destination[0] = a;
                destination[1] = b;
                destination[2] = c;
                destination[3] = d;
                destination += PanelOutputs;
            }
        }

        for (; output < count; output++)
        {
            for (int k = 0; k < depth; k++)
            {
                panel[(k * PanelOutputs) + output] = slab[(output * SlabStride) + k];
            }
        }
    }

    private void Dots(in ProductTarget target, int first, int count, float* row)
    {
        int inputs = target.Weights.Inputs;
        row += (PanelOutputs * SlabStride) + (PanelInputs * PanelOutputs);
        for (int output = first; output < first + count; output++)
        {
            target.Weights.ReadRow(output, 0, inputs, row);
            float start = target.Weights.Bias is { } bias ? bias[output] : 0;
            for (int r = 0; r < rows; r++)
            {
                float* y = (float*)target.Y + (r * target.Stride) + output;
                *y = (target.Add ? *y : start) + Dot(row, x + (r * xStride), inputs);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* a, float* b, int count)
    {
        Vector<float> s0 = Vector<float>.Zero;
        Vector<float> s1 = Vector<float>.Zero;
        Vector<float> s2 = Vector<float>.Zero;
        Vector<float> s3 = Vector<float>.Zero;
        int width = Vector<float>.Count;
        int i = 0;
        for (; i <= count - (4 * width); i += 4 * width)
        {
            s0 = Vector.FusedMultiplyAdd(Vector.Load(a + i), Vector.Load(b + i), s0);
            s1 = Vector.FusedMultiplyAdd(Vector.Load(a + i + width), Vector.Load(b + i + width), s1);
            s2 = Vector.FusedMultiplyAdd(Vector.Load(a + i + (2 * width)), Vector.Load(b + i + (2 * width)), s2);
            s3 = Vector.FusedMultiplyAdd(Vector.Load(a + i + (3 * width)), Vector.Load(b + i + (3 * width)), s3);
        }

        float sum = Vector.Sum(s0 + s1 + (s2 + s3));
        for (; i < count; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
