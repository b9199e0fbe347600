using System.Numerics;
using System.Runtime.CompilerServices;
using ShadowAttn.Kernels;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>
/// Product of 8-bit matrices with an 8-bit result:
/// <code>sum = Σ_k (a + offsetA)(b + offsetB),   out = clamp(floor(sum · scaleA·scaleB / scaleOut + bias + 1/2) - offsetOut)</code>
/// Unsigned values are stored minus 128, so that every product is signed; with A = a' + α and B = b' + β (α, β: offsets plus 128 where
/// unsigned) the sum is Σ a'b' + β Σ a' + α Σ b' + k·α·β: one integer product and two corrections.
/// <para>
/// The columns of in1 are packed once per execution; then blocks of rows run through the INT8 kernels. With signed operands, no
/// offsets and a quotient 2^-shift the kernel's rounding shift is the whole requantisation and writes into the client's buffer.
/// </para>
/// </summary>
internal sealed unsafe class ByteMatMulStep : Step
{
    // 128 · 128 · inner must fit int32.
    const long MaxInnerOfKernels = 131071;
    const int MaxShiftOfKernels = 24;

    readonly Job _job;
    readonly long _batches;

    /// <summary>Everything a worker needs; plain numbers and addresses, so it can lie on the caller's stack.</summary>
    struct Job
    {
        internal Int8ScoresKernel Kernel;
        internal int Rows, Inner, Columns, RowsPerPart, TilesPerPart;
        internal byte Flip0, Flip1;
        internal bool Transpose0, Transpose1;
        internal long Shift0, Shift1;
        internal int ShiftOnly;
        internal Requantizer Requantizer;
        internal bool HasBias;
        internal MatMulBias Bias;

        internal long RowsOffset, ColumnsOffset, PackedOffset, ColumnTermsOffset, ColumnBiasesOffset, ProductsOffset, ProductsStride;

        internal byte* In0, In1, Out, BiasData, Scratch;
        internal sbyte* RowsOf0, ColumnsOf1;
    }

    ByteMatMulStep(Job job, long batches)
    {
        _job = job;
        _batches = batches;
    }

    internal static Step Create(OpCall call, StepOptions options)
    {
        MatMulShape shape = MatMulShape.Of(call);
        if (shape.Inner > MaxInnerOfKernels)
        {
            return new WideMatMulStep(call);
        }
        TensorInfo in0 = call.Inputs[0];
        TensorInfo in1 = call.Inputs[1];
        TensorInfo result = call.Outputs[0];
        Int8ScoresKernel kernel = Int8Scores.Kernels.Best.Kernel;
        double quotient = (double)in0.Encoding.Scale * in1.Encoding.Scale / result.Encoding.Scale;
        var job = new Job
        {
            Kernel = kernel,
            Rows = checked((int)shape.Rows),
            Inner = checked((int)shape.Inner),
            Columns = checked((int)shape.Columns),
            Transpose0 = shape.Transpose0,
            Transpose1 = shape.Transpose1,
            Flip0 = FlipOf(in0),
            Flip1 = FlipOf(in1),
            Shift0 = (long)in0.Encoding.Offset + FlipOf(in0),
            Shift1 = (long)in1.Encoding.Offset + FlipOf(in1),
            Requantizer = new Requantizer(quotient, result.DataType, result.Encoding.Offset),
            HasBias = call.Inputs.Length == 3,
        };
        if (job.HasBias)
        {
            job.Bias = new MatMulBias(call.Inputs[2], result);
        }
        job.ShiftOnly = -1;
        if (job.Shift0 == 0 && job.Shift1 == 0 && !job.HasBias && result.DataType == QNN_DATATYPE_SFIXED_POINT_8 && result.Encoding.Offset == 0)
        {
            int shift = -Math.ILogB(quotient);
            job.ShiftOnly = shift is >= 0 and <= MaxShiftOfKernels && quotient == Math.ScaleB(1, -shift) ? shift : -1;
        }

        // About four parts per thread, whole row tiles, and no more than what stays in a core's cache.
        int rowTile = Math.Max(kernel.RowTile, 1);
        job.RowsPerPart = Math.Clamp(job.Rows / (4 * options.Workers) / rowTile * rowTile, rowTile, Math.Max(rowTile, 64 / rowTile * rowTile));
        int tiles = (job.Columns + kernel.KeyTile - 1) / kernel.KeyTile;
        job.TilesPerPart = Math.Max(tiles / (4 * options.Workers), 1);

        long offset = 0;
        job.RowsOffset = Reserve(ref offset, shape.Transpose0 || job.Flip0 != 0 ? shape.Rows * shape.Inner : 0);
        job.ColumnsOffset = Reserve(ref offset, !shape.Transpose1 || job.Flip1 != 0 ? shape.Columns * shape.Inner : 0);
        job.PackedOffset = Reserve(ref offset, kernel.PackedBytes(job.Columns, job.Inner));
        if (job.ShiftOnly < 0)
        {
            job.ColumnTermsOffset = Reserve(ref offset, shape.Columns * sizeof(double));
            job.ColumnBiasesOffset = Reserve(ref offset, shape.Columns * sizeof(double));
            job.ProductsStride = job.RowsPerPart * shape.Columns * sizeof(int);
            job.ProductsOffset = Reserve(ref offset, Parts(job.Rows, job.RowsPerPart) * job.ProductsStride);
        }
        return new ByteMatMulStep(job, shape.Batches) 
        {
            ScratchBytes = offset,
            Macs = shape.Macs,
            StagedBytes = (shape.Transpose0 || job.Flip0 != 0 ? in0.Bytes : 0) + (!shape.Transpose1 || job.Flip1 != 0 ? in1.Bytes : 0),
        };
    }

    static int Parts(int count, int perPart) => (count + perPart - 1) / perPart;

    static byte FlipOf(TensorInfo tensor) => tensor.DataType == QNN_DATATYPE_UFIXED_POINT_8 ? (byte)128 : (byte)0;

    static long Reserve(ref long offset, long bytes)
    {
        long start = offset;
        offset += (bytes + 63) & -64;
        return start;
    }

    internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
    {
        Job job = _job;
        job.BiasData = job.HasBias ? inputs[2] : null;
        job.Scratch = scratch;
        for (long batch = 0; batch < _batches; batch++)
        {
            job.In0 = inputs[0] + batch * job.Rows * job.Inner;
            job.In1 = inputs[1] + batch * job.Columns * job.Inner;
            job.Out = outputs[0] + batch * job.Rows * job.Columns;
            job.RowsOf0 = Signed(job.In0, job.Flip0, job.Transpose0, job.Rows, job.Inner, scratch + job.RowsOffset);
            job.ColumnsOf1 = Signed(job.In1, job.Flip1, !job.Transpose1, job.Columns, job.Inner, scratch + job.ColumnsOffset);
            int tiles = Parts(job.Columns, job.Kernel.KeyTile);
            workers.Run(Parts(tiles, job.TilesPerPart), &PackPart, &job);
            workers.Run(Parts(job.Rows, job.RowsPerPart), job.ShiftOnly >= 0 ? &ScorePart : &ProductPart, &job);
        }
    }

    /// <summary>The matrix as [lines, inner] signed bytes: in place when it is that already, else copied.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static sbyte* Signed(byte* matrix, byte flip, bool transpose, int lines, int inner, byte* copy)
    {
        if (!transpose)
        {
            if (flip == 0)
            {
                return (sbyte*)matrix;
            }
            long bytes = (long)lines * inner;
            long i = 0;
            var flips = new Vector<byte>(flip);
            for (; i <= bytes - Vector<byte>.Count; i += Vector<byte>.Count)
            {
                (Vector.Load(matrix + i) ^ flips).Store(copy + i);
            }
            for (; i < bytes; i++)
            {
                copy[i] = (byte)(matrix[i] ^ flip);
            }
            return (sbyte*)copy;
        }
        for (long k = 0; k < inner; k++)
        {
            for (long line = 0; line < lines; line++)
            {
                copy[line * inner + k] = (byte)(matrix[k * lines + line] ^ flip);
            }
        }
        return (sbyte*)copy;
    }

    /// <summary>Packs some tiles of columns, and finds what their offsets and biases add to each column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void PackPart(void* state, int part)
    {
        ref readonly Job job = ref *(Job*)state;
        int first = part * job.TilesPerPart * job.Kernel.KeyTile;
        int last = Math.Min(first + job.TilesPerPart * job.Kernel.KeyTile, job.Columns);
        sbyte* columns = job.ColumnsOf1 + (long)first * job.Inner;
        job.Kernel.Pack(columns, job.Inner, last - first, job.Inner, job.Scratch + job.PackedOffset + job.Kernel.PackedBytes(first, job.Inner));
        if (job.ShiftOnly >= 0)
        {
            return;
        }
        double* terms = (double*)(job.Scratch + job.ColumnTermsOffset);
        double* biases = (double*)(job.Scratch + job.ColumnBiasesOffset);
        for (int column = first; column < last; column++, columns += job.Inner)
        {
            terms[column] = job.Shift0 == 0 ? 0 : (Sum(columns, job.Inner) + job.Shift1 * job.Inner) * job.Shift0;
            biases[column] = job.HasBias ? job.Bias.StepsAt(job.BiasData, column) + 0.5 : 0.5;
        }
    }

    static void ScorePart(void* state, int part)
    {
        ref readonly Job job = ref *(Job*)state;
        int first = part * job.RowsPerPart;
        job.Kernel.Scores(
            job.RowsOf0 + (long)first * job.Inner,
            job.Inner,
            Math.Min(job.RowsPerPart, job.Rows - first),
            job.Scratch + job.PackedOffset,
            job.Columns,
            job.Inner,
            job.ShiftOnly,
            (sbyte*)job.Out + (long)first * job.Columns,
            job.Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void ProductPart(void* state, int part)
    {
        ref readonly Job job = ref *(Job*)state;
        int first = part * job.RowsPerPart;
        int rows = Math.Min(job.RowsPerPart, job.Rows - first);
        int* products = (int*)(job.Scratch + job.ProductsOffset + part * job.ProductsStride);
        sbyte* a = job.RowsOf0 + (long)first * job.Inner;
        job.Kernel.Products(a, job.Inner, rows, job.Scratch + job.PackedOffset, job.Columns, job.Inner, products, job.Columns);
        double* terms = (double*)(job.Scratch + job.ColumnTermsOffset);
        double* biases = (double*)(job.Scratch + job.ColumnBiasesOffset);
        byte* result = job.Out + (long)first * job.Columns;
        for (int row = 0; row < rows; row++)
        {
            double rowTerm = job.Shift1 == 0 ? 0 : Sum(a, job.Inner) * job.Shift1;
            job.Requantizer.StoreBytes(products, rowTerm, terms, biases, job.Columns, result);
            a += job.Inner;
            products += job.Columns;
            result += job.Columns;
        }
    }

    static long Sum(sbyte* values, int count)
    {
        long sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += values[i];
        }
        return sum;
    }
}
