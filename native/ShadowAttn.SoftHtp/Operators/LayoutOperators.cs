using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>The same elements in the same order under another shape.</summary>
internal sealed class ReshapeOperator : Operator
{
    const int MaxRank = 5;

    internal override string TypeName => "Reshape";

    internal override string? Refuse(OpCall call) =>
        call.CheckOperands(1, 1)
        ?? call.CheckParameters()
        ?? Layout.RefuseMove(call)
        ?? Elementwise.RefuseRank(call.Inputs[0], MaxRank)
        ?? Elementwise.RefuseRank(call.Outputs[0], MaxRank)
        ?? (call.Inputs[0].Elements == call.Outputs[0].Elements
            ? null
            : $"{call.Inputs[0]} and {call.Outputs[0]} have different numbers of elements");

    internal override Step Compile(OpCall call, StepOptions options) => new ReshapeStep(call.Inputs[0].Bytes);

    sealed unsafe class ReshapeStep(long bytes) : Step
    {
        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers) =>
            Buffer.MemoryCopy(inputs[0], outputs[0], bytes, bytes);
    }
}

/// <summary>Axis i of the output is axis perm[i] of the input.</summary>
internal sealed class TransposeOperator : Operator
{
    const int MaxRank = 5;

    internal override string TypeName => "Transpose";

    internal override string? Refuse(OpCall call)
    {
        string? wrong = call.CheckOperands(1, 1)
            ?? Layout.RefuseMove(call)
            ?? Elementwise.RefuseRank(call.Inputs[0], MaxRank)
            ?? Elementwise.RefuseRank(call.Outputs[0], MaxRank);
        if (wrong is not null)
        {
            return wrong;
        }
        TensorInfo source = call.Inputs[0];
        TensorInfo target = call.Outputs[0];
        if (call.Parameters.Length != 1 || call.Parameters[0] is not { Name: "perm", Tensor: { Data: not null, DataType: QNN_DATATYPE_UINT_32 } })
        {
            return "the only parameter must be 'perm', a static UINT_32 tensor";
        }
        ReadOnlySpan<uint> permutation = Permutation(call);
        if (permutation.Length != source.Rank || target.Rank != source.Rank)
        {
            return $"perm of {permutation.Length} axes from {source} to {target}";
        }
        int seen = 0;
        for (int axis = 0; axis < permutation.Length; axis++)
        {
            if (permutation[axis] >= source.Rank || (seen & (1 << (int)permutation[axis])) != 0)
            {
                return $"perm [{string.Join(", ", permutation.ToArray())}] is no permutation";
            }
            seen |= 1 << (int)permutation[axis];
            if (target.Dimensions[axis] != source.Dimensions[permutation[axis]])
            {
                return $"{target} is not {source} with its axes in the order [{string.Join(", ", permutation.ToArray())}]";
            }
        }
        return null;
    }

    static ReadOnlySpan<uint> Permutation(OpCall call) => MemoryMarshal.Cast<byte, uint>(call.Parameters[0].Tensor!.Data);

    internal override Step Compile(OpCall call, StepOptions options) =>
        new TransposeStep(call.Inputs[0], call.Outputs[0], Permutation(call));

    sealed unsafe class TransposeStep : Step
    {
        readonly Job _job;

        [InlineArray(MaxRank)]
        struct Axes
        {
            long _first;
        }

        struct Job
        {
            internal int ElementBytes;
            internal long Lines;
            internal Axes Lengths, Strides;
            internal byte* Source, Target;
        }

        internal TransposeStep(TensorInfo source, TensorInfo target, ReadOnlySpan<uint> permutation)
        {
            var strides = new long[source.Rank];
            long stride = 1;
            for (int axis = source.Rank - 1; axis >= 0; axis--)
            {
                strides[axis] = stride;
                stride *= source.Dimensions[axis];
            }
            _job.ElementBytes = (int)DataTypes.Bytes(source.DataType);
            _job.Lines = target.Elements / target.LastDimension;
            // Axes of the output from the last, filled up with axes of length 1.
            for (int i = 0; i < MaxRank; i++)
            {
                int axis = target.Rank - 1 - i;
                _job.Lengths[i] = axis < 0 ? 1 : target.Dimensions[axis];
                _job.Strides[i] = axis < 0 ? 0 : strides[permutation[axis]];
            }
            Macs = (ulong)source.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = inputs[0];
            job.Target = outputs[0];
            workers.Run((int)Math.Min(job.Lines, 64), &ComputePart, &job);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void ComputePart(void* state, int part)
        {
            ref readonly Job job = ref *(Job*)state;
            long parts = Math.Min(job.Lines, 64);
            for (long line = job.Lines * part / parts; line < job.Lines * (part + 1) / parts; line++)
            {
                long rest = line, from = 0;
                for (int i = 1; i < MaxRank; i++)
                {
                    from += rest % job.Lengths[i] * job.Strides[i];
                    rest /= job.Lengths[i];
                }
                byte* source = job.Source + from * job.ElementBytes;
                byte* target = job.Target + line * job.Lengths[0] * job.ElementBytes;
                CopyLine(source, target, job.Lengths[0], job.Strides[0], job.ElementBytes);
            }
        }

        static void CopyLine(byte* source, byte* target, long length, long stride, int elementBytes)
        {
            switch (elementBytes)
            {
                case 1:
                    for (long i = 0; i < length; i++)
                    {
                        target[i] = source[i * stride];
                    }
                    break;
                case 2:
                    for (long i = 0; i < length; i++)
                    {
                        ((short*)target)[i] = ((short*)source)[i * stride];
                    }
                    break;
                default:
                    for (long i = 0; i < length; i++)
                    {
                        ((int*)target)[i] = ((int*)source)[i * stride];
                    }
                    break;
            }
        }
    }
}

/// <summary>Checks of operators that move elements without looking at them.</summary>
internal static class Layout
{
    static readonly Qnn_DataType_t[] Types =
    [
        QNN_DATATYPE_SFIXED_POINT_8, QNN_DATATYPE_UFIXED_POINT_8, QNN_DATATYPE_SFIXED_POINT_16, QNN_DATATYPE_UFIXED_POINT_16,
        QNN_DATATYPE_INT_32, QNN_DATATYPE_UINT_32, QNN_DATATYPE_FLOAT_32, QNN_DATATYPE_FLOAT_16, QNN_DATATYPE_BOOL_8,
    ];

    internal static string? RefuseMove(OpCall call) =>
        Elementwise.RefuseTypes(call.Inputs[0], Types)
        ?? Elementwise.RefuseTypes(call.Outputs[0], [call.Inputs[0].DataType])
        ?? (DataTypes.IsFixedPoint(call.Inputs[0].DataType) && !call.Inputs[0].Encoding.SameAs(call.Outputs[0].Encoding)
            ? $"{call.Inputs[0]} and {call.Outputs[0]} must share one encoding"
            : null);
}
