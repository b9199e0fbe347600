using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>What an <see cref="ElementWiseOperator"/> computes.</summary>
internal enum ElementWiseFunction
{
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
}

/// <summary>
/// out = f(a, b) element by element on real values, requantised with half rounded up. Operands broadcast: shapes are aligned at their
/// last axis, and an axis of length 1 (or a missing one) is repeated.
/// </summary>
internal sealed class ElementWiseOperator(ElementWiseFunction function) : Operator
{
    const int MaxRank = 5;

    internal override string TypeName => $"ElementWise{function}";

    internal override string? Refuse(OpCall call)
    {
        string? wrong = call.CheckOperands(2, 1) ?? call.CheckParameters();
        if (wrong is not null)
        {
            return wrong;
        }
        TensorInfo a = call.Inputs[0];
        TensorInfo b = call.Inputs[1];
        TensorInfo result = call.Outputs[0];
        Qnn_DataType_t[] types = function is ElementWiseFunction.Minimum or ElementWiseFunction.Maximum
            ? [QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_16, QNN_DATATYPE_INT_32, QNN_DATATYPE_FLOAT_32]
            :
            [
                QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16,
                QNN_DATATYPE_INT_32, QNN_DATATYPE_FLOAT_32,
            ];
        wrong = Elementwise.RefuseTypes(a, types)
            ?? Elementwise.RefuseTypes(b, [a.DataType])
            ?? Elementwise.RefuseTypes(result, [a.DataType]);
        foreach (TensorInfo operand in (ReadOnlySpan<TensorInfo>)[a, b, result])
        {
            wrong ??= Elementwise.RefuseRank(operand, MaxRank) ?? Elementwise.RefuseEncoding(operand);
        }
        if (wrong is not null)
        {
            return wrong;
        }
        bool fits = result.Rank == Math.Max(a.Rank, b.Rank);
        for (int i = 0; fits && i < result.Rank; i++)
        {
            long lengthA = i < a.Rank ? a.DimensionFromEnd(i) : 1;
            long lengthB = i < b.Rank ? b.DimensionFromEnd(i) : 1;
            fits = (lengthA == lengthB || lengthA == 1 || lengthB == 1) && result.DimensionFromEnd(i) == Math.Max(lengthA, lengthB);
        }
        return fits ? null : $"{a} and {b} do not broadcast to {result}";
    }

    internal override Step Compile(OpCall call, StepOptions options)
    {
        var shape = new BroadcastShape(call.Inputs[0], call.Inputs[1], call.Outputs[0]);
        return call.Outputs[0].DataType switch
        {
            QNN_DATATYPE_FLOAT_32 => new FloatStep(function, shape, options.HalfPrecision) { Macs = (ulong)call.Outputs[0].Elements },
            QNN_DATATYPE_SFIXED_POINT_8 or QNN_DATATYPE_UFIXED_POINT_8 =>
                new TableStep(function, shape, call) { Macs = (ulong)call.Outputs[0].Elements },
            _ => new WideStep(function, shape, call) { Macs = (ulong)call.Outputs[0].Elements },
        };
    }

    static double Apply(ElementWiseFunction function, double a, double b) => function switch
    {
        ElementWiseFunction.Add => a + b,
        ElementWiseFunction.Subtract => a - b,
        ElementWiseFunction.Multiply => a * b,
        ElementWiseFunction.Divide => a / b,
        ElementWiseFunction.Minimum => Math.Min(a, b),
        _ => Math.Max(a, b),
    };

    /// <summary>Real value of one step of an operand, its offset, and back; INT_32 has scale 1 and offset 0.</summary>
    static (double Scale, int Offset) EncodingOf(TensorInfo tensor) =>
        DataTypes.IsFixedPoint(tensor.DataType) ? (tensor.Encoding.Scale, tensor.Encoding.Offset) : (1, 0);

    /// <summary>8-bit operands: every pair of values has its result in a table of 64 KiB.</summary>
    sealed unsafe class TableStep : Step
    {
        readonly BroadcastShape _shape;
        readonly byte[] _results = GC.AllocateUninitializedArray<byte>(65536, pinned: true);

        struct Job
        {
            internal BroadcastShape Shape;
            internal byte* Results, A, B, Out;
        }

        internal TableStep(ElementWiseFunction function, BroadcastShape shape, OpCall call)
        {
            _shape = shape;
            bool isSigned = call.Outputs[0].DataType == QNN_DATATYPE_SFIXED_POINT_8;
            (double scaleA, int offsetA) = EncodingOf(call.Inputs[0]);
            (double scaleB, int offsetB) = EncodingOf(call.Inputs[1]);
            (double scaleOut, int offsetOut) = EncodingOf(call.Outputs[0]);
            var requantizer = new Requantizer(1 / scaleOut, call.Outputs[0].DataType, offsetOut);
            for (int a = 0; a < 256; a++)
            {
                for (int b = 0; b < 256; b++)
                {
                    double realA = scaleA * ((isSigned ? (sbyte)a : a) + offsetA);
                    double realB = scaleB * ((isSigned ? (sbyte)b : b) + offsetB);
                    _results[(a << 8) | b] = (byte)requantizer.Store(Apply(function, realA, realB));
                }
            }
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            var job = new Job
            {
                Shape = _shape,
                Results = (byte*)Unsafe.AsPointer(ref _results[0]),
                A = inputs[0],
                B = inputs[1],
                Out = outputs[0],
            };
            workers.Run(_shape.Parts, &ComputePart, &job);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            (long first, long last) = job.Shape.Lines(part);
            for (long line = first; line < last; line++)
            {
                (long startA, long startB) = job.Shape.Starts(line);
                byte* a = job.A + startA;
                byte* b = job.B + startB;
                byte* result = job.Out + line * job.Shape.Length;
                for (long i = 0; i < job.Shape.Length; i++)
                {
                    result[i] = job.Results[(*a << 8) | *b];
                    a += job.Shape.StepA;
                    b += job.Shape.StepB;
                }
            }
        }
    }

    /// <summary>16- and 32-bit operands, computed one by one.</summary>
    sealed unsafe class WideStep : Step
    {
        readonly Job _job;

        struct Job
        {
            internal ElementWiseFunction Function;
            internal BroadcastShape Shape;
            internal Qnn_DataType_t Type;
            internal double ScaleA, ScaleB;
            internal int OffsetA, OffsetB;
            internal Requantizer Requantizer;
            internal byte* A, B, Out;
        }

        internal WideStep(ElementWiseFunction function, BroadcastShape shape, OpCall call)
        {
            (double scaleOut, int offsetOut) = EncodingOf(call.Outputs[0]);
            _job.Function = function;
            _job.Shape = shape;
            _job.Type = call.Outputs[0].DataType;
            (_job.ScaleA, _job.OffsetA) = EncodingOf(call.Inputs[0]);
            (_job.ScaleB, _job.OffsetB) = EncodingOf(call.Inputs[1]);
            _job.Requantizer = new Requantizer(1 / scaleOut, _job.Type, offsetOut);
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.A = inputs[0];
            job.B = inputs[1];
            job.Out = outputs[0];
            workers.Run(job.Shape.Parts, &ComputePart, &job);
        }

        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            (long first, long last) = job.Shape.Lines(part);
            // Integers divide towards zero; real quotients round.
            bool truncates = job.Type == QNN_DATATYPE_INT_32 && job.Function == ElementWiseFunction.Divide;
            for (long line = first; line < last; line++)
            {
                (long a, long b) = job.Shape.Starts(line);
                for (long i = 0; i < job.Shape.Length; i++)
                {
                    double realA = job.ScaleA * ((double)FixedPoint.Load(job.A, job.Type, a + i * job.Shape.StepA) + job.OffsetA);
                    double realB = job.ScaleB * ((double)FixedPoint.Load(job.B, job.Type, b + i * job.Shape.StepB) + job.OffsetB);
                    double result = Apply(job.Function, realA, realB);
                    FixedPoint.Store(job.Out, job.Type, line * job.Shape.Length + i, job.Requantizer.Store(truncates ? Math.Truncate(result) : result));
                }
            }
        }
    }

    /// <summary>FLOAT_32 operands, rounded to FLOAT_16 where the graph computes in it.</summary>
    sealed unsafe class FloatStep(ElementWiseFunction function, BroadcastShape shape, bool halfPrecision) : Step
    {
        struct Job
        {
            internal ElementWiseFunction Function;
            internal BroadcastShape Shape;
            internal bool Rounds;
            internal float* A, B, Out;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            var job = new Job
            {
                Function = function,
                Shape = shape,
                Rounds = halfPrecision,
                A = (float*)inputs[0],
                B = (float*)inputs[1],
                Out = (float*)outputs[0],
            };
            workers.Run(shape.Parts, &ComputePart, &job);
        }

        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            (long first, long last) = job.Shape.Lines(part);
            for (long line = first; line < last; line++)
            {
                (long a, long b) = job.Shape.Starts(line);
                for (long i = 0; i < job.Shape.Length; i++)
                {
                    float result = (float)Apply(job.Function, job.A[a + i * job.Shape.StepA], job.B[b + i * job.Shape.StepB]);
                    job.Out[line * job.Shape.Length + i] = job.Rounds ? (float)(Half)result : result;
                }
            }
        }
    }
}
