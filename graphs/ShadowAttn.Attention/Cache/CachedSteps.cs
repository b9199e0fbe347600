using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;
using ShadowAttn.Memory;

namespace ShadowAttn.Attention;

/// <summary>
/// The scales of a cache's int16 numbers, one per KV head and channel: the least power of two with which 32,767 steps span all that the channel has had so
/// far. A larger number makes the scale grow, and what is there is rounded to the larger steps, by a shift. So the scales depend on the numbers alone,
/// not on how they came in chunks, and the numbers differ by their last step at most.
/// </summary>
internal sealed unsafe class CachedSteps : IDisposable
{
    /// <summary>A step that is never too small to have an inverse.</summary>
    private const int LeastExponent = -100;

    private readonly UnmanagedBuffer buffer;
    private readonly HalfConvertKernel convert = HalfConvert.Kernels.Best.Kernel;
    private readonly int kvHeads;
    private readonly int dim;

    public CachedSteps(int kvHeads, int dim)
    {
        this.kvHeads = kvHeads;
        this.dim = dim;
        buffer = UnmanagedBuffer.Allocate(checked(3 * (nint)kvHeads * dim * sizeof(float)));
        Reset();
    }

    /// <summary>What one step means, fp32 [kvHeads, dim].</summary>
    public TensorView<float> Scales => buffer.View<float>(kvHeads, dim);

    /// <summary>Forgets what the channels have had.</summary>
    public void Reset()
    {
        for (int i = 0; i < kvHeads * dim; i++)
        {
            Scale(0)[i] = MathF.ScaleB(1, LeastExponent);
            Inverse(0)[i] = MathF.ScaleB(1, -LeastExponent);
        }
    }

    /// <summary>Writes rows of fp32 behind those that are there.</summary>
    /// <param name="kvHead">The KV head.</param>
    /// <param name="source">The rows.</param>
    /// <param name="stride">Elements between them.</param>
    /// <param name="stored">The KV head's rows, contiguous.</param>
    /// <param name="first">How many there are.</param>
    /// <param name="count">How many come.</param>
    /// <returns>Whether rows that were there have been rounded to larger steps.</returns>
    public bool Store(int kvHead, float* source, nint stride, short* stored, int first, int count)
    {
        bool grown = false;
        float* largest = (float*)buffer.Pointer + (((2 * kvHeads) + kvHead) * dim);
        LargestMagnitudes(source, stride, count, largest);
        for (int channel = 0; channel < dim; channel++)
        {
            if (!(largest[channel] <= short.MaxValue * Scale(kvHead)[channel]))
            {
                grown |= Grow(kvHead, channel, largest[channel], stored, first);
            }
        }

        convert.F32ToQ16(source, stride, Inverse(kvHead), stored + ((nint)first * dim), dim, count, dim);
        return grown;
    }

    public void Dispose() => buffer.Dispose();

    private float* Scale(int kvHead) => (float*)buffer.Pointer + ((nint)kvHead * dim);

    private float* Inverse(int kvHead) => Scale(kvHeads + kvHead);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void LargestMagnitudes(float* source, nint stride, int count, float* largest)
    {
        int d = 0;
        for (; d <= dim - Vector<float>.Count; d += Vector<float>.Count)
        {
            Vector<float> most = Vector<float>.Zero;
            for (int row = 0; row < count; row++)
            {
                most = Vector.Max(most, Vector.Abs(Vector.Load(source + (row * stride) + d)));
            }

            most.Store(largest + d);
        }

        for (; d < dim; d++)
        {
            largest[d] = 0;
            for (int row = 0; row < count; row++)
            {
                largest[d] = MathF.Max(largest[d], MathF.Abs(source[(row * stride) + d]));
            }
        }
    }

    private bool Grow(int kvHead, int channel, float magnitude, short* stored, int count)
    {
        float before = Scale(kvHead)[channel];

        // Numbers that are not finite have no scale: they become the largest that there is.
        float step = MathF.Min(magnitude, float.MaxValue) / short.MaxValue;
        int exponent = Math.Max(MathF.ILogB(step), LeastExponent);
        while (magnitude <= float.MaxValue && magnitude > short.MaxValue * MathF.ScaleB(1, exponent))
        {
            exponent++;
        }

        Scale(kvHead)[channel] = MathF.ScaleB(1, exponent);
        Inverse(kvHead)[channel] = MathF.ScaleB(1, -exponent);
        int shift = exponent - MathF.ILogB(before);
        if (shift <= 0)
        {
            return false;
        }

        bool changed = false;
        int half = shift <= 16 ? 1 << (shift - 1) : 0;
        short* number = stored + channel;
        for (int row = 0; row < count; row++, number += dim)
        {
            changed |= *number != 0;
            *number = shift <= 16 ? (short)((*number + half) >> shift) : (short)0;
        }

        return changed;
    }
}
