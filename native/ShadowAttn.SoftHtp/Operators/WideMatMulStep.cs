using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>
/// Product of fixed-point matrices that the INT8 kernels cannot take (16 bits, or too long a sum): operands are widened to int with
/// their offsets added, sums are 64-bit, and the result is requantised as in <see cref="ByteMatMulStep"/>. Rare, so plain.
/// </summary>
internal sealed unsafe class WideMatMulStep : Step
{
    const int RowsPerPart = 8;

    readonly Job _job;
    readonly long _batches;
    readonly long _bytes0, _bytes1, _bytesOut;

    struct Job
    {
        internal long Rows, Inner, Columns;
        internal Requantizer Requantizer;
        internal bool HasBias;
        internal MatMulBias Bias;
        internal Qnn_DataType_t Type0, Type1, TypeOut;
        internal int Offset0, Offset1;
        internal bool Transpose0, Transpose1;
        internal long WideColumnsOffset;

        internal byte* BiasData, Out;
        internal int* WideRows, WideColumns;
    }

    internal WideMatMulStep(OpCall call)
    {
        TensorInfo in0 = call.Inputs[0];
        TensorInfo in1 = call.Inputs[1];
        TensorInfo result = call.Outputs[0];
        MatMulShape shape = MatMulShape.Of(call);
        _batches = shape.Batches;
        _bytes0 = in0.Bytes / shape.Batches;
        _bytes1 = in1.Bytes / shape.Batches;
        _bytesOut = result.Bytes / shape.Batches;
        _job = new Job
        {
            Rows = shape.Rows,
            Inner = shape.Inner,
            Columns = shape.Columns,
            Transpose0 = shape.Transpose0,
            Transpose1 = shape.Transpose1,
            Type0 = in0.DataType,
            Type1 = in1.DataType,
            TypeOut = result.DataType,
            Offset0 = in0.Encoding.Offset,
            Offset1 = in1.Encoding.Offset,
            Requantizer = new Requantizer(
                (double)in0.Encoding.Scale * in1.Encoding.Scale / result.Encoding.Scale, result.DataType, result.Encoding.Offset),
            WideColumnsOffset = shape.Rows * shape.Inner,
        };
        if (call.Inputs.Length == 3)
        {
            _job.HasBias = true;
            _job.Bias = new MatMulBias(call.Inputs[2], result);
        }
        ScratchBytes = (shape.Rows + shape.Columns) * shape.Inner * sizeof(int);
        Macs = shape.Macs;
        StagedBytes = call.Inputs[0].Bytes + call.Inputs[1].Bytes;
    }

    internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
    {
        Job job = _job;
        job.BiasData = job.HasBias ? inputs[2] : null;
        job.WideRows = (int*)scratch;
        job.WideColumns = (int*)scratch + job.WideColumnsOffset;
        for (long batch = 0; batch < _batches; batch++)
        {
            Widen(inputs[0] + batch * _bytes0, job.Type0, job.Offset0, job.Transpose0, job.Rows, job.Inner, job.WideRows);
            Widen(inputs[1] + batch * _bytes1, job.Type1, job.Offset1, !job.Transpose1, job.Columns, job.Inner, job.WideColumns);
            job.Out = outputs[0] + batch * _bytesOut;
            workers.Run((int)((job.Rows + RowsPerPart - 1) / RowsPerPart), &ComputePart, &job);
        }
    }

    /// <summary>Copies a matrix to [lines, inner] ints with the offset added.</summary>
    static void Widen(byte* matrix, Qnn_DataType_t type, int offset, bool transpose, long lines, long inner, int* wide)
    {
        for (long line = 0; line < lines; line++)
        {
            for (long k = 0; k < inner; k++)
            {
                wide[line * inner + k] = FixedPoint.Load(matrix, type, transpose ? k * lines + line : line * inner + k) + offset;
            }
        }
    }

    static void ComputePart(void* state, int part)
    {
        ref readonly Job job = ref *(Job*)state;
        long lastRow = Math.Min((part + 1L) * RowsPerPart, job.Rows);
        for (long row = (long)part * RowsPerPart; row < lastRow; row++)
        {
            int* a = job.WideRows + row * job.Inner;
            for (long column = 0; column < job.Columns; column++)
            {
                int* b = job.WideColumns + column * job.Inner;
                long sum = 0;
                for (long k = 0; k < job.Inner; k++)
                {
                    sum += (long)a[k] * b[k];
                }
                double bias = job.HasBias ? job.Bias.StepsAt(job.BiasData, column) + 0.5 : 0.5;
                FixedPoint.Store(job.Out, job.TypeOut, row * job.Columns + column, job.Requantizer.Store(sum, bias));
            }
        }
    }
}
