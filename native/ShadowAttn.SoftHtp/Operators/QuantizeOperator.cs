using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>stored = clamp(floor(real / scale + 1/2) - offset)</summary>
internal sealed class QuantizeOperator : Operator
{
    internal override string TypeName => "Quantize";

    internal override string? Refuse(OpCall call) =>
        call.CheckOperands(1, 1)
        ?? call.CheckParameters()
        ?? Elementwise.RefuseTypes(call.Inputs[0], [QNN_DATATYPE_FLOAT_32])
        ?? Elementwise.RefuseTypes(call.Outputs[0], Elementwise.Quantised)
        ?? Elementwise.RefuseShape(call, maxRank: 4)
        ?? Elementwise.RefuseEncoding(call.Outputs[0]);

    internal override Step Compile(OpCall call, StepOptions options) => new QuantizeStep(call.Inputs[0], call.Outputs[0]);

    sealed unsafe class QuantizeStep : Step
    {
        readonly Job _job;

        struct Job
        {
            internal long Elements;
            internal Qnn_DataType_t Type;
            internal Requantizer Requantizer;
            internal float* Source;
            internal byte* Target;
        }

        internal QuantizeStep(TensorInfo source, TensorInfo target)
        {
            Encoding encoding = target.Encoding;
            _job = new Job
            {
                Elements = source.Elements,
                Type = target.DataType,
                Requantizer = new Requantizer(1.0 / encoding.Scale, target.DataType, encoding.Offset),
            };
            Macs = (ulong)source.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = (float*)inputs[0];
            job.Target = outputs[0];
            workers.Run(Elementwise.Parts(job.Elements), &ComputePart, &job);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            (long first, long last) = Elementwise.Range(part, job.Elements);
            for (long i = first; i < last; i++)
            {
                FixedPoint.Store(job.Target, job.Type, i, job.Requantizer.Store(job.Source[i]));
            }
        }
    }
}

/// <summary>real = scale * (stored + offset)</summary>
internal sealed class DequantizeOperator : Operator
{
    internal override string TypeName => "Dequantize";

    internal override string? Refuse(OpCall call) =>
        call.CheckOperands(1, 1)
        ?? call.CheckParameters()
        ?? Elementwise.RefuseTypes(call.Inputs[0], Elementwise.Quantised)
        ?? Elementwise.RefuseTypes(call.Outputs[0], [QNN_DATATYPE_FLOAT_32])
        ?? Elementwise.RefuseShape(call, maxRank: 4)
        ?? Elementwise.RefuseEncoding(call.Inputs[0]);

    internal override Step Compile(OpCall call, StepOptions options) => new DequantizeStep(call.Inputs[0], call.Outputs[0]);

    sealed unsafe class DequantizeStep : Step
    {
        readonly Job _job;

        struct Job
        {
            internal long Elements;
            internal Qnn_DataType_t Type;
            internal float Scale;
            internal int Offset;
            internal byte* Source;
            internal float* Target;
        }

        internal DequantizeStep(TensorInfo source, TensorInfo target)
        {
            _job = new Job { Elements = target.Elements, Type = source.DataType, Scale = source.Encoding.Scale, Offset = source.Encoding.Offset };
            Macs = (ulong)target.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = inputs[0];
            job.Target = (float*)outputs[0];
            workers.Run(Elementwise.Parts(job.Elements), &ComputePart, &job);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            (long first, long last) = Elementwise.Range(part, job.Elements);
            for (long i = first; i < last; i++)
            {
                job.Target[i] = job.Scale * (FixedPoint.Load(job.Source, job.Type, i) + job.Offset);
            }
        }
    }
}
