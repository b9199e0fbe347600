namespace ShadowAttn.Kernels;

/// <summary>output[r, j] += Σ_t a[r, t]·b[t, j].</summary>
internal static unsafe class DenseProductScalar
{
    public static DenseProductKernel Kernel => new(&Add);

    public static void Add(
        float* a, nint aRowStride, nint aStepStride, int rows, int steps, float* b, nint bStride, int columns, float* output, nint outputStride)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int j = 0; j < columns; j++)
            {
                float sum = 0;
                for (int t = 0; t < steps; t++)
                {
                    sum += a[(r * aRowStride) + (t * aStepStride)] * b[(t * bStride) + j];
                }

                output[(r * outputStride) + j] += sum;
            }
        }
    }
}
