namespace ShadowAttn.Kernels;

/// <summary>score = clamp(⌊Σ_d q8_d·k8_d / 2^shift + 1/2⌋, -128, 127). Packed form: the keys as they are.</summary>
internal static unsafe class Int8ScoresScalar
{
    public static Int8ScoresKernel Kernel => new(1, 1, &PackedBytes, &Pack, &Scores, &Products);

    public static nint PackedBytes(int keys, int dim) => (nint)keys * dim;

    public static void Pack(sbyte* k8, nint k8Stride, int keys, int dim, byte* packed)
    {
        for (int key = 0; key < keys; key++)
        {
            Buffer.MemoryCopy(k8 + (key * k8Stride), packed + ((nint)key * dim), dim, dim);
        }
    }

    public static void Scores(
        sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int shift, sbyte* scores, nint scoreStride)
    {
        int half = (1 << shift) >> 1;
        for (int r = 0; r < rows; r++)
        {
            for (int key = 0; key < keys; key++)
            {
                int product = Dot(q8 + (r * q8Stride), (sbyte*)packed + ((nint)key * dim), dim);
                scores[(r * scoreStride) + key] = (sbyte)Math.Clamp((product + half) >> shift, -128, 127);
            }
        }
    }

    public static void Products(sbyte* q8, nint q8Stride, int rows, byte* packed, int keys, int dim, int* products, nint productStride)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int key = 0; key < keys; key++)
            {
                products[(r * productStride) + key] = Dot(q8 + (r * q8Stride), (sbyte*)packed + ((nint)key * dim), dim);
            }
        }
    }

    public static int Dot(sbyte* a, sbyte* b, int dim)
    {
        int sum = 0;
        for (int d = 0; d < dim; d++)
        {
            sum += a[d] * b[d];
        }

        return sum;
    }
}
