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
            workers.Run((int)((job.Rows + RowsPerPart - 1) / RowsPerPart), &ComputePart, &job);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            long lastRow = Math.Min((part + 1L) * RowsPerPart, job.Rows);
            // exp(-rate·distance) of the distances that occur most, so that an 8-bit row needs 256 exponentials at most.
            float* exponentials = stackalloc float[256];
            for (int distance = 0; distance < 256; distance++)
            {
                exponentials[distance] = (float)Math.Exp(-job.Rate * distance);
            }
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
                    sum += Exponential(job, exponentials, max - FixedPoint.Load(job.Source, job.SourceType, start + i));
                }
                double inverse = 1 / sum;
                for (long i = 0; i < job.Length; i++)
                {
                    double share = inverse * Exponential(job, exponentials, max - FixedPoint.Load(job.Source, job.SourceType, start + i));
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

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static double Exponential(in Job job, float* exponentials, int distance) =>
            (uint)distance < 256 ? exponentials[distance] : Math.Exp(-job.Rate * distance);
    }
}
