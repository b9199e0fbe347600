using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;
using ShadowAttn.SoftHtp.Tensors;
using static ShadowAttn.Interop.Qnn.Qnn_DataType_t;

namespace ShadowAttn.SoftHtp.Operators;

/// <summary>
/// The k largest values of each row (last axis), descending, and their indices. Of equal values the larger index comes first, as HTP
/// does it.
/// </summary>
internal sealed class TopKOperator : Operator
{
    internal override string TypeName => "TopK";

    internal override string? Refuse(OpCall call)
    {
        string? wrong = call.CheckOperands(1, 2)
            ?? call.CheckParameters(("k", QNN_DATATYPE_UINT_32), ("largest", QNN_DATATYPE_BOOL_8))
            ?? Elementwise.RefuseTypes(call.Inputs[0], [.. Elementwise.Quantised, QNN_DATATYPE_INT_32])
            ?? Elementwise.RefuseTypes(call.Outputs[0], [call.Inputs[0].DataType])
            ?? Elementwise.RefuseTypes(call.Outputs[1], [QNN_DATATYPE_UINT_32, QNN_DATATYPE_INT_32])
            ?? Elementwise.RefuseRank(call.Inputs[0], 4);
        if (wrong is not null)
        {
            return wrong;
        }
        TensorInfo source = call.Inputs[0];
        if (call.Find(QnnApi.QNN_OP_TOP_K_PARAM_K) is not { } k)
        {
            return "parameter 'k' is missing";
        }
        if (k.AsUInt == 0 || k.AsUInt > source.LastDimension)
        {
            return $"k = {k.AsUInt} must be from 1 to the length of the last axis, {source.LastDimension}";
        }
        if (!call.Flag(QnnApi.QNN_OP_TOP_K_PARAM_LARGEST, true))
        {
            return "only the largest values can be selected";
        }
        if (DataTypes.IsFixedPoint(source.DataType) && !source.Encoding.SameAs(call.Outputs[0].Encoding))
        {
            return $"{source} and {call.Outputs[0]} must share one encoding";
        }
        foreach (TensorInfo output in call.Outputs)
        {
            bool fits = output.Rank == source.Rank
                && output.LastDimension == k.AsUInt
                && output.Dimensions.AsSpan(0, output.Rank - 1).SequenceEqual(source.Dimensions.AsSpan(0, source.Rank - 1));
            if (!fits)
            {
                return $"{output} must have the shape of {source} with {k.AsUInt} as its last dimension";
            }
        }
        return null;
    }

    internal override Step Compile(OpCall call, StepOptions options) =>
        new TopKStep(call.Inputs[0], call.Find(QnnApi.QNN_OP_TOP_K_PARAM_K)!.AsUInt);

    sealed unsafe class TopKStep : Step
    {
        readonly Job _job;

        struct Job
        {
            internal long Rows, Length, Kept;
            internal Qnn_DataType_t Type;
            internal byte* Source, Values;
            internal uint* Indices;
            internal ulong* Scratch;
        }

        internal TopKStep(TensorInfo source, uint kept)
        {
            _job = new Job
            {
                Length = source.LastDimension,
                Rows = source.Elements / source.LastDimension,
                Kept = kept,
                Type = source.DataType,
            };
            // One row's keys per row, so that rows can be worked on side by side.
            ScratchBytes = DataTypes.Bytes(source.DataType) == 1 ? 0 : source.Elements * sizeof(ulong);
            Macs = (ulong)source.Elements;
        }

        internal override void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers)
        {
            Job job = _job;
            job.Source = inputs[0];
            job.Values = outputs[0];
            job.Indices = (uint*)outputs[1];
            job.Scratch = (ulong*)scratch;
            workers.Run((int)job.Rows, DataTypes.Bytes(job.Type) == 1 ? &CountRow : &SortRow, &job);
        }

        /// <summary>8-bit rows: counts per level give each level its place; indices descend within a level.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void CountRow(void* state, int row)
        {
            ref readonly Job job = ref *(Job*)state;
            byte* source = job.Source + row * job.Length;
            byte flip = job.Type == QNN_DATATYPE_SFIXED_POINT_8 ? (byte)128 : (byte)0;
            long* places = stackalloc long[256];
            new Span<long>(places, 256).Clear();
            for (long i = 0; i < job.Length; i++)
            {
                places[source[i] ^ flip]++;
            }
            long above = 0;
            for (int level = 255; level >= 0; level--)
            {
                long count = places[level];
                places[level] = above;
                above += count;
            }
            byte* values = job.Values + row * job.Kept;
            uint* indices = job.Indices + row * job.Kept;
            for (long i = job.Length - 1; i >= 0; i--)
            {
                long place = places[source[i] ^ flip]++;
                if (place < job.Kept)
                {
                    values[place] = source[i];
                    indices[place] = (uint)i;
                }
            }
        }

        /// <summary>Wider rows: value and index in one key, sorted.</summary>
        static void SortRow(void* state, int row)
        {
            ref readonly Job job = ref *(Job*)state;
            ulong* keys = job.Scratch + row * job.Length;
            for (long i = 0; i < job.Length; i++)
            {
                uint ordered = (uint)FixedPoint.Load(job.Source, job.Type, row * job.Length + i) ^ 0x8000_0000;
                keys[i] = ((ulong)ordered << 32) | (uint)i;
            }
            new Span<ulong>(keys, checked((int)job.Length)).Sort();
            for (long i = 0; i < job.Kept; i++)
            {
                ulong key = keys[job.Length - 1 - i];
                FixedPoint.Store(job.Values, job.Type, row * job.Kept + i, (int)((uint)(key >> 32) ^ 0x8000_0000));
                job.Indices[row * job.Kept + i] = (uint)key;
            }
        }
    }
}
