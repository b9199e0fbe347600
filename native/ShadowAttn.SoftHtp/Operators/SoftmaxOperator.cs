using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>out_i = exp(beta·(x_i - max x)) / Σ_j exp(beta·(x_j - max x)) along the last axis, requantised.</summary>
internal sealed class SoftmaxOperator : Operator
{
    const int MaxRank = 5;

    internal override string TypeName => "Softmax";

    internal override string? Refuse(OpCall call)
    {
        string? wrong = call.CheckOperands(1, 1)
            ?? call.CheckParameters(("axis", QNN_DATATYPE_UINT_32), ("beta", QNN_DATATYPE_FLOAT_32))
            ?? Elementwise.RefuseTypes(call.Inputs[0], Elementwise.Quantised)
            ?? Elementwise.RefuseTypes(call.Outputs[0], [call.Inputs[0].DataType, QNN_DATATYPE_FLOAT_32])
            ?? Elementwise.RefuseShape(call, MaxRank)
            ?? Elementwise.RefuseEncoding(call.Inputs[0])
            ?? Elementwise.RefuseEncoding(call.Outputs[0]);
        if (wrong is not null)
        {
            return wrong;
        }
        if (call.Find(QnnApi.QNN_OP_SOFTMAX_PARAM_AXIS) is { } axis && axis.AsUInt != call.Inputs[0].Rank - 1)
        {
            return $"axis {axis.AsUInt} is not the last one";
        }
        float beta = Beta(call);
        return float.IsFinite(beta) && beta > 0 ? null : $"beta {beta} must be a positive number";
    }

    static float Beta(OpCall call) => call.Find(QnnApi.QNN_OP_SOFTMAX_PARAM_BETA)?.AsFloat ?? 1f;

    internal override Step Compile(OpCall call, StepOptions options) => new SoftmaxStep(call.Inputs[0], call.Outputs[0], Beta(call));

    sealed unsafe class SoftmaxStep : Step
    {
        const int RowsPerPart = 8;

        readonly Job _job;

        struct Job
        {
            internal long Rows, Length;
            internal Qnn_DataType_t SourceType, TargetType;
            internal double Rate;
            internal Requantizer Requantizer;
            internal byte* Source, Target;
        }

        internal SoftmaxStep(TensorInfo source, TensorInfo target, float beta)
        {
            _job = new Job
            {
                Length = source.LastDimension,
                Rows = source.Elements / source.LastDimension,
                SourceType = source.DataType,
                TargetType = target.DataType,
                Rate = (double)beta * source.Encoding.Scale,
                Requantizer = target.DataType == QNN_DATATYPE_FLOAT_32
                    ? default
                    : new Requantizer(1.0 / target.Encoding.Scale, target.DataType, target.Encoding.Offset),
            };
            Macs = (ulong)source.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = inputs[0];
            job.Target = outputs[0];
            workers.Run(
                (int)((job.Rows + RowsPerPart - 1) / RowsPerPart), DataTypes.Bytes(job.SourceType) == 1 ? &ComputeByteRows : &ComputeWideRows, &job);
        }

        /// <summary>8-bit rows: counts per value give max and sum, and every value has one result.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputeByteRows(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            byte flip = job.SourceType == QNN_DATATYPE_SFIXED_POINT_8 ? (byte)128 : (byte)0;
            double* exponentials = stackalloc double[256];
            int* counts = stackalloc int[256];
            float* results = stackalloc float[256];
            byte* stored = stackalloc byte[256];
            for (int distance = 0; distance < 256; distance++)
            {
                exponentials[distance] = Math.Exp(-job.Rate * distance);
            }
            long lastRow = Math.Min((part + 1L) * RowsPerPart, job.Rows);
            for (long row = (long)part * RowsPerPart; row < lastRow; row++)
            {
                byte* source = job.Source + row * job.Length;
                new Span<int>(counts, 256).Clear();
                for (long i = 0; i < job.Length; i++)
                {
                    counts[source[i]]++;
                }
                int max = 255;
                while (counts[max ^ flip] == 0)
                {
                    max--;
                }
                double sum = 0;
                for (int value = 0; value <= max; value++)
                {
                    sum += counts[value ^ flip] * exponentials[max - value];
                }
                for (int value = 0; value <= max; value++)
                {
                    double share = exponentials[max - value] / sum;
                    results[value ^ flip] = (float)share;
                    stored[value ^ flip] = (byte)(job.TargetType == QNN_DATATYPE_FLOAT_32 ? 0 : job.Requantizer.Store(share));
                }
                if (job.TargetType == QNN_DATATYPE_FLOAT_32)
                {
                    float* target = (float*)job.Target + row * job.Length;
                    for (long i = 0; i < job.Length; i++)
                    {
                        target[i] = results[source[i]];
                    }
                }
                else
                {
                    byte* target = job.Target + row * job.Length;
                    for (long i = 0; i < job.Length; i++)
                    {
                        target[i] = stored[source[i]];
                    }
                }
            }
        }

        static void ComputeWideRows(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            long lastRow = Math.Min((part + 1L) * RowsPerPart, job.Rows);
            for (long row = (long)part * RowsPerPart; row < lastRow; row++)
            {
                long start = row * job.Length;
                int max = int.MinValue;
                for (long i = 0; i < job.Length; i++)
                {
                    max = Math.Max(max, FixedPoint.Load(job.Source, job.SourceType, start + i));
                }
                double sum = 0;
                for (long i = 0; i < job.Length; i++)
                {
                    sum += Math.Exp(-job.Rate * (max - FixedPoint.Load(job.Source, job.SourceType, start + i)));
                }
                for (long i = 0; i < job.Length; i++)
                {
                    double share = Math.Exp(-job.Rate * (max - FixedPoint.Load(job.Source, job.SourceType, start + i))) / sum;
                    if (job.TargetType == QNN_DATATYPE_FLOAT_32)
                    {
                        ((float*)job.Target)[start + i] = (float)share;
                    }
                    else
                    {
                        FixedPoint.Store(job.Target, job.TargetType, start + i, job.Requantizer.Store(share));
                    }
                }
            }
        }
    }
}
