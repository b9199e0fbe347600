namespace ShadowAttn.Cli.Conformance.Reference;

/// <summary>The operators on real values in double precision.</summary>
internal static class Formulas
{
    /// <summary>out[..., m, n] = Σ_k a[..., m, k] · b[..., k, n]; either operand may be stored transposed.</summary>
    public static double[] MatMul(Operand a, Operand b, bool transposeA, bool transposeB)
    {
        int rows = a.Shape[^(transposeA ? 1 : 2)];
        int inner = a.Shape[^(transposeA ? 2 : 1)];
        int columns = b.Shape[^(transposeB ? 2 : 1)];
        int batches = a.Elements / (rows * inner);
        double[] left = Reals(a);
        double[] right = Reals(b);
        double[] result = new double[batches * rows * columns];
        for (int batch = 0; batch < batches; batch++)
        {
            int startA = batch * rows * inner;
            int startB = batch * inner * columns;
            for (int m = 0; m < rows; m++)
            {
                for (int n = 0; n < columns; n++)
                {
                    double sum = 0;
                    for (int k = 0; k < inner; k++)
                    {
                        sum += left[startA + (transposeA ? k * rows + m : m * inner + k)]
                            * right[startB + (transposeB ? n * inner + k : k * columns + n)];
                    }

                    result[(batch * rows + m) * columns + n] = sum;
                }
            }
        }

        return result;
    }

    /// <summary>out_i = exp(β·x_i) / Σ_j exp(β·x_j) along the last axis.</summary>
    public static double[] Softmax(Operand x, double beta)
    {
        double[] values = Reals(x);
        for (int row = 0; row < values.Length; row += x.LastAxis)
        {
            Span<double> line = values.AsSpan(row, x.LastAxis);
            double most = double.NegativeInfinity;
            foreach (double value in line)
            {
                most = Math.Max(most, value);
            }

            double sum = 0;
            foreach (ref double value in line)
            {
                value = Math.Exp(beta * (value - most));
                sum += value;
            }

            foreach (ref double value in line)
            {
                value /= sum;
            }
        }

        return values;
    }

    /// <summary>The k largest of each row of the last axis, descending, among equals the larger index first: their indices.</summary>
    public static int[] TopK(Operand x, int k)
    {
        int rows = x.Elements / x.LastAxis;
        int[] result = new int[rows * k];
        int[] order = new int[x.LastAxis];
        for (int row = 0; row < rows; row++)
        {
            int start = row * x.LastAxis;
            for (int i = 0; i < order.Length; i++)
            {
                order[i] = i;
            }

            Array.Sort(order, (i, j) =>
            {
                int byValue = x.Stored(start + j).CompareTo(x.Stored(start + i));
                return byValue != 0 ? byValue : j.CompareTo(i);
            });
            order.AsSpan(0, k).CopyTo(result.AsSpan(row * k));
        }

        return result;
    }

    /// <summary>Element of the input for each element of the output whose axis i is the input's axis permutation[i].</summary>
    public static int[] TransposeSources(int[] shape, ReadOnlySpan<uint> permutation)
    {
        int rank = shape.Length;
        int[] strides = Strides(shape);
        int[] outShape = new int[rank];
        int[] outStrides = new int[rank];
        int elements = 1;
        for (int axis = 0; axis < rank; axis++)
        {
            outShape[axis] = shape[permutation[axis]];
            outStrides[axis] = strides[permutation[axis]];
            elements *= outShape[axis];
        }

        return Walk(outShape, outStrides, elements);
    }

    /// <summary>Element of an operand for each element of an output to whose shape it is broadcast.</summary>
    public static int[] BroadcastSources(int[] shape, int[] outShape)
    {
        int[] strides = Strides(shape);
        int[] outStrides = new int[outShape.Length];
        for (int i = 1; i <= shape.Length; i++)
        {
            outStrides[^i] = shape[^i] == 1 ? 0 : strides[^i];
        }

        return Walk(outShape, outStrides, outShape.Aggregate(1, (product, length) => product * length));
    }

    /// <summary>All elements as what they mean.</summary>
    public static double[] Reals(Operand x)
    {
        double[] result = new double[x.Elements];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = x.Real(i);
        }

        return result;
    }

    private static int[] Strides(int[] shape)
    {
        int[] strides = new int[shape.Length];
        int stride = 1;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= shape[axis];
        }

        return strides;
    }

    private static int[] Walk(int[] shape, int[] strides, int elements)
    {
        int[] sources = new int[elements];
        for (int i = 0; i < elements; i++)
        {
            int rest = i;
            int source = 0;
            for (int axis = shape.Length - 1; axis >= 0; axis--)
            {
                source += rest % shape[axis] * strides[axis];
                rest /= shape[axis];
            }

            sources[i] = source;
        }

        return sources;
    }
}
