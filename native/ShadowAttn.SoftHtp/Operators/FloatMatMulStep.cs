using ShadowAttn.SoftHtp.Execution;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>
/// Product of float matrices: operands rounded to FLOAT_16 where they are that or the graph computes in it, sums in FLOAT_32.
/// </summary>
internal sealed unsafe class FloatMatMulStep : Step
{
    const int RowsPerPart = 8;

    readonly Job _job;
    readonly long _batches;
    readonly long _bytes0, _bytes1, _bytesOut;

    struct Job
    {
        internal long Rows, Inner, Columns;
        internal bool IsHalf, Rounds, Transpose0, Transpose1;
        internal bool HasBias, BiasIsHalf;
        internal long WideColumnsOffset;

        internal byte* Bias, Out;
        internal float* WideRows, WideColumns;
    }

    internal FloatMatMulStep(OpCall call, StepOptions options)
    {
        MatMulShape shape = MatMulShape.Of(call);
        _batches = shape.Batches;
        _bytes0 = call.Inputs[0].Bytes / shape.Batches;
        _bytes1 = call.Inputs[1].Bytes / shape.Batches;
        _bytesOut = call.Outputs[0].Bytes / shape.Batches;
        bool isHalf = call.Inputs[0].DataType == QNN_DATATYPE_FLOAT_16;
        _job = new Job
        {
            Rows = shape.Rows,
            Inner = shape.Inner,
            Columns = shape.Columns,
            Transpose0 = shape.Transpose0,
            Transpose1 = shape.Transpose1,
            IsHalf = isHalf,
            Rounds = isHalf || options.HalfPrecision,
            HasBias = call.Inputs.Length == 3,
            BiasIsHalf = call.Inputs.Length == 3 && call.Inputs[2].DataType == QNN_DATATYPE_FLOAT_16,
            WideColumnsOffset = shape.Rows * shape.Inner,
        };
        ScratchBytes = (shape.Rows + shape.Columns) * shape.Inner * sizeof(float);
        Macs = shape.Macs;
        StagedBytes = call.Inputs[0].Bytes + call.Inputs[1].Bytes;
    }

    internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
    {
        Job job = _job;
        job.Bias = job.HasBias ? inputs[2] : null;
        job.WideRows = (float*)scratch;
        job.WideColumns = (float*)scratch + job.WideColumnsOffset;
        for (long batch = 0; batch < _batches; batch++)
        {
            Widen(inputs[0] + batch * _bytes0, job, job.Transpose0, job.Rows, job.WideRows);
            Widen(inputs[1] + batch * _bytes1, job, !job.Transpose1, job.Columns, job.WideColumns);
            job.Out = outputs[0] + batch * _bytesOut;
            workers.Run((int)((job.Rows + RowsPerPart - 1) / RowsPerPart), &ComputePart, &job);
        }
    }

    static void Widen(byte* matrix, in Job job, bool transpose, long lines, float* wide)
    {
        for (long line = 0; line < lines; line++)
        {
            for (long k = 0; k < job.Inner; k++)
            {
                long index = transpose ? k * lines + line : line * job.Inner + k;
                float value = job.IsHalf ? (float)((Half*)matrix)[index] : ((float*)matrix)[index];
                wide[line * job.Inner + k] = job.Rounds ? (float)(Half)value : value;
            }
        }
    }

    static void ComputePart(void* state, int part)
    {
        ref readonly Job job = ref *(Job*)state;
        long lastRow = Math.Min((part + 1L) * RowsPerPart, job.Rows);
        for (long row = (long)part * RowsPerPart; row < lastRow; row++)
        {
            float* a = job.WideRows + row * job.Inner;
            for (long column = 0; column < job.Columns; column++)
            {
                float* b = job.WideColumns + column * job.Inner;
                float sum = 0;
                for (long k = 0; k < job.Inner; k++)
                {
                    sum += a[k] * b[k];
                }
                if (job.HasBias)
                {
                    sum += job.BiasIsHalf ? (float)((Half*)job.Bias)[column] : ((float*)job.Bias)[column];
                }
                long index = row * job.Columns + column;
                if (job.IsHalf)
                {
                    ((Half*)job.Out)[index] = (Half)sum;
                }
                else
                {
                    ((float*)job.Out)[index] = job.Rounds ? (float)(Half)sum : sum;
                }
            }
        }
    }
}
