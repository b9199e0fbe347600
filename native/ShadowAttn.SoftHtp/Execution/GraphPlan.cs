using System.Runtime.InteropServices;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Operators;
using ShadowAttn.SoftHtp.Tensors;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>
/// A finalised graph: steps in order, a slot per tensor, and the layout of the arena that holds native tensors, static tensors and
/// scratch. Executions take a frame each; a frame is made when none is free and kept for the next.
/// </summary>
internal sealed unsafe class GraphPlan
{
    const long Alignment = 64;

    readonly TensorInfo[] _tensors;
    readonly PlannedStep[] _steps;
    readonly long[] _arenaOffsets;
    readonly long _scratchOffset;
    readonly long _timesOffset;
    readonly int[] _inputSlots;
    readonly int[] _outputSlots;
    readonly int _longestOperands;
    readonly Lock _framesGate = new();
    readonly Stack<Frame> _freeFrames = new();
    byte* _constants;
    bool _freed;

    readonly record struct PlannedStep(string Name, Step Step, int[] Inputs, int[] Outputs);

    internal GraphPlan(IReadOnlyList<TensorInfo> tensors, IReadOnlyList<(OpCall Call, Step Step)> nodes)
    {
        _tensors = [.. tensors];
        var slotOf = new Dictionary<uint, int>();
        for (int slot = 0; slot < _tensors.Length; slot++)
        {
            slotOf.Add(_tensors[slot].Id, slot);
        }
        _inputSlots = SlotsWhere(tensor => tensor.IsInput);
        _outputSlots = SlotsWhere(tensor => tensor.IsOutput);
        _steps = new PlannedStep[nodes.Count];
        long scratch = 0;
        for (int i = 0; i < _steps.Length; i++)
        {
            (OpCall call, Step step) = nodes[i];
            _steps[i] = new PlannedStep(
                call.Name,
                step,
                Array.ConvertAll(call.Inputs, tensor => slotOf[tensor.Id]),
                Array.ConvertAll(call.Outputs, tensor => slotOf[tensor.Id]));
            _longestOperands = Math.Max(_longestOperands, call.Inputs.Length + call.Outputs.Length);
            scratch = Math.Max(scratch, step.ScratchBytes);
            Macs += step.Macs;
            StagedBytes += step.StagedBytes;
        }

        // A frame: a pointer per slot, pointers of one step's operands, step times, native tensors, scratch.
        _timesOffset = (_tensors.Length + _longestOperands) * (long)sizeof(byte*);
        long offset = Align(_timesOffset + _steps.Length * (long)sizeof(long));
        _arenaOffsets = new long[_tensors.Length];
        long constants = 0;
        for (int slot = 0; slot < _tensors.Length; slot++)
        {
            if (_tensors[slot].IsNative)
            {
                _arenaOffsets[slot] = offset;
                offset += Align(_tensors[slot].Bytes);
            }
            else if (_tensors[slot].IsStatic)
            {
                _arenaOffsets[slot] = constants;
                constants += Align(_tensors[slot].Bytes);
            }
        }
        _scratchOffset = offset;
        FrameBytes = offset + Align(scratch);
        _constants = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(constants, Alignment), (nuint)Alignment);
        for (int slot = 0; slot < _tensors.Length; slot++)
        {
            if (_tensors[slot].IsStatic)
            {
                _tensors[slot].Data.CopyTo(new Span<byte>(_constants + _arenaOffsets[slot], _tensors[slot].Data!.Length));
            }
        }
        ReturnFrame(NewFrame());
    }

    internal ulong Macs { get; }

    /// <summary>Bytes of operands that one execution copies into another form.</summary>
    internal long StagedBytes { get; }

    /// <summary>Bytes that one execution in flight takes.</summary>
    internal long FrameBytes { get; }

    internal int InputCount => _inputSlots.Length;

    internal int OutputCount => _outputSlots.Length;

    internal int StepCount => _steps.Length;

    internal TensorInfo Input(int index) => _tensors[_inputSlots[index]];

    internal TensorInfo Output(int index) => _tensors[_outputSlots[index]];

    internal string StepName(int step) => _steps[step].Name;

    internal ulong StepMacs(int step) => _steps[step].Step.Macs;

    /// <summary>Which input has this id; -1 for none.</summary>
    internal int InputOf(uint id) => IndexOf(_inputSlots, id);

    /// <summary>Which output has this id; -1 for none.</summary>
    internal int OutputOf(uint id) => IndexOf(_outputSlots, id);

    /// <summary>A frame to bind buffers in; every one taken is given back with <see cref="ReturnFrame"/>.</summary>
    internal Frame TakeFrame()
    {
        lock (_framesGate)
        {
            if (_freeFrames.TryPop(out Frame? frame))
            {
                return frame;
            }
        }
        return NewFrame();
    }

    internal void ReturnFrame(Frame frame)
    {
        frame.LetGo();
        lock (_framesGate)
        {
            if (!_freed)
            {
                _freeFrames.Push(frame);
                return;
            }
        }
        frame.Free();
    }

    internal void BindInput(Frame frame, int index, byte* data) => frame.Slots[_inputSlots[index]] = data;

    internal void BindOutput(Frame frame, int index, byte* data) => frame.Slots[_outputSlots[index]] = data;

    /// <summary>Nanoseconds of each step in the frame's last timed run.</summary>
    internal long* StepTimes(Frame frame) => (long*)(frame.Block + _timesOffset);

    /// <summary>Runs the steps on a frame whose inputs and outputs are bound.</summary>
    /// <param name="frame">From <see cref="TakeFrame"/>.</param>
    /// <param name="workers">Threads to share the work with.</param>
    /// <param name="timed">Whether <see cref="StepTimes"/> are wanted.</param>
    /// <param name="signal">Null, or what may end the run between steps.</param>
    /// <returns>0, or the status of the signal that ended it.</returns>
    internal ulong Run(Frame frame, WorkerPool workers, bool timed, SignalObject? signal)
    {
        byte** slots = frame.Slots;
        byte** operands = slots + _tensors.Length;
        byte* scratch = frame.Block + _scratchOffset;
        long* times = StepTimes(frame);
        for (int i = 0; i < _steps.Length; i++)
        {
            ref readonly PlannedStep step = ref _steps[i];
            byte** next = operands;
            foreach (int slot in step.Inputs)
            {
                *next++ = slots[slot];
            }
            byte** outputs = next;
            foreach (int slot in step.Outputs)
            {
                *next++ = slots[slot];
            }
            if (signal is not null && signal.Verdict() is not 0 and ulong ended)
            {
                return ended;
            }
            long start = timed ? Clock.Now() : 0;
            step.Step.Run(operands, outputs, scratch, workers);
            if (timed)
            {
                times[i] = Clock.Now() - start;
            }
        }
        return 0;
    }

    /// <summary>Gives all memory back. No execution may be in flight.</summary>
    internal void Free()
    {
        lock (_framesGate)
        {
            _freed = true;
            while (_freeFrames.TryPop(out Frame? frame))
            {
                frame.Free();
            }
        }
        NativeMemory.AlignedFree(_constants);
        _constants = null;
    }

    Frame NewFrame()
    {
        var frame = new Frame(FrameBytes, _inputSlots.Length + _outputSlots.Length);
        for (int slot = 0; slot < _tensors.Length; slot++)
        {
            frame.Slots[slot] = _tensors[slot].IsNative ? frame.Block + _arenaOffsets[slot]
                : _tensors[slot].IsStatic ? _constants + _arenaOffsets[slot]
                : null;
        }
        return frame;
    }

    int IndexOf(int[] slots, uint id)
    {
        for (int i = 0; i < slots.Length; i++)
        {
            if (_tensors[slots[i]].Id == id)
            {
                return i;
            }
        }
        return -1;
    }

    int[] SlotsWhere(Predicate<TensorInfo> wanted)
    {
        var slots = new List<int>();
        for (int slot = 0; slot < _tensors.Length; slot++)
        {
            if (wanted(_tensors[slot]))
            {
                slots.Add(slot);
            }
        }
        return [.. slots];
    }

    static long Align(long bytes) => (bytes + Alignment - 1) & -Alignment;
}
