using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>Requantises from one encoding and fixed-point type to another.</summary>
internal sealed class ConvertOperator : Operator
{
    static readonly Qnn_DataType_t[] Types = [.. Elementwise.Quantised, QNN_DATATYPE_SFIXED_POINT_16];

    internal override string TypeName => "Convert";

    internal override string? Refuse(OpCall call) =>
        call.CheckOperands(1, 1)
        ?? call.CheckParameters(("dynamic_input_data", QNN_DATATYPE_BOOL_8), ("dynamic_output_data", QNN_DATATYPE_BOOL_8))
        ?? RefuseDynamic(call)
        ?? Elementwise.RefuseTypes(call.Inputs[0], Types)
        ?? Elementwise.RefuseTypes(call.Outputs[0], Types)
        ?? Elementwise.RefuseShape(call, maxRank: 4)
        ?? Elementwise.RefuseEncoding(call.Inputs[0])
        ?? Elementwise.RefuseEncoding(call.Outputs[0]);

    static string? RefuseDynamic(OpCall call) =>
        call.Flag(QnnApi.QNN_OP_CONVERT_PARAM_DYNAMIC_INPUT_DATA, false) || call.Flag(QnnApi.QNN_OP_CONVERT_PARAM_DYNAMIC_OUTPUT_DATA, false)
            ? "encodings that change at run time are not supported"
            : null;

    internal override Step Compile(OpCall call, StepOptions options) => new ConvertStep(call.Inputs[0], call.Outputs[0]);

    sealed unsafe class ConvertStep : Step
    {
        readonly Job _job;

        struct Job
        {
            internal long Elements;
            internal Qnn_DataType_t SourceType, TargetType;
            internal int SourceOffset;
            internal Requantizer Requantizer;
            internal byte* Source, Target;
        }

        internal ConvertStep(TensorInfo source, TensorInfo target)
        {
            _job = new Job
            {
                Elements = source.Elements,
                SourceType = source.DataType,
                TargetType = target.DataType,
                SourceOffset = source.Encoding.Offset,
                Requantizer = new Requantizer((double)source.Encoding.Scale / target.Encoding.Scale, target.DataType, target.Encoding.Offset),
            };
            Macs = (ulong)source.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = inputs[0];
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
                double sum = (double)FixedPoint.Load(job.Source, job.SourceType, i) + job.SourceOffset;
                FixedPoint.Store(job.Target, job.TargetType, i, job.Requantizer.Store(sum));
            }
        }
    }
}
