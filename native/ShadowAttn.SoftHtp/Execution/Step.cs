namespace ShadowAttn.SoftHtp.Execution;

/// <summary>One node of a finalised graph, ready to run. A step has no state of its own: several executions may run it at once.</summary>
internal abstract unsafe class Step
{
    /// <summary>Multiply-accumulates for the latency model.</summary>
    internal ulong Macs { get; init; }

    /// <summary>Bytes of operands that one run copies because it needs them in another form (sign, layout, width).</summary>
    internal long StagedBytes { get; init; }

    /// <summary>Bytes of scratch that one run needs.</summary>
    internal long ScratchBytes { get; init; }

    /// <summary>Computes the outputs from the inputs. Allocates nothing.</summary>
    /// <param name="inputs">Contents of the inputs in the node's order; contiguous, row-major.</param>
    /// <param name="outputs">Where the outputs go.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> bytes, aligned to 64.</param>
    /// <param name="workers">Threads to share the work with.</param>
    internal abstract void Run(byte** inputs, byte** outputs, byte* scratch, WorkerPool workers);
}
