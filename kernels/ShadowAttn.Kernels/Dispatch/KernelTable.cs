namespace ShadowAttn.Kernels;

/// <summary>One implementation of an operator for one instruction set.</summary>
/// <typeparam name="T">The operator's kernel structure: its function pointers and tile sizes.</typeparam>
/// <param name="InstructionSet">The instruction set that the kernel needs.</param>
/// <param name="Kernel">The function pointers.</param>
public readonly record struct KernelVariant<T>(InstructionSet InstructionSet, T Kernel)
    where T : struct;

/// <summary>
/// All variants of one operator. Filled once from what the CPU has; <c>SHADOWATTN_ISA</c> narrows <see cref="Best"/> but not
/// <see cref="Supported"/>, so that tests and benchmarks reach every variant that the machine can run.
/// </summary>
/// <typeparam name="T">The operator's kernel structure.</typeparam>
public sealed class KernelTable<T>
    where T : struct
{
    /// <summary>Builds the table of an operator.</summary>
    /// <param name="name">The operator's name on command lines and in reports.</param>
    /// <param name="variants">Every variant there is, for every architecture; exactly one of them scalar.</param>
    public KernelTable(string name, params ReadOnlySpan<KernelVariant<T>> variants)
    {
        Name = name;
        var supported = new List<KernelVariant<T>>();
        foreach (KernelVariant<T> variant in variants)
        {
            if (InstructionSets.IsSupported(variant.InstructionSet))
            {
                supported.Add(variant);
            }
        }

        supported.Sort((a, b) => a.InstructionSet.CompareTo(b.InstructionSet));
        Supported = supported;
        Best = supported.FindLast(v => InstructionSets.IsAllowed(v.InstructionSet));
    }

    /// <summary>The operator's name on command lines and in reports.</summary>
    public string Name { get; }

    /// <summary>The variants that this machine can run, scalar first, best last.</summary>
    public IReadOnlyList<KernelVariant<T>> Supported { get; }

    /// <summary>The variant that the operator uses.</summary>
    public KernelVariant<T> Best { get; }

    /// <summary>The scalar reference.</summary>
    public KernelVariant<T> Scalar => Supported[0];

    /// <summary>The best variant that needs nothing above <paramref name="set"/>.</summary>
    /// <param name="set">The highest instruction set that may be used.</param>
    public KernelVariant<T> UpTo(InstructionSet set)
    {
        KernelVariant<T> best = Scalar;
        foreach (KernelVariant<T> variant in Supported)
        {
            if (variant.InstructionSet <= set)
            {
                best = variant;
            }
        }

        return best;
    }
}
