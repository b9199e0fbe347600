using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

/// <summary>The variants of an operator that this machine can run, as theory data.</summary>
public static class KernelVariants
{
    public static TheoryData<InstructionSet> Of<T>(KernelTable<T> table)
        where T : struct
    {
        var data = new TheoryData<InstructionSet>();
        foreach (KernelVariant<T> variant in table.Supported)
        {
            data.Add(variant.InstructionSet);
        }

        return data;
    }

    public static T Kernel<T>(KernelTable<T> table, InstructionSet set)
        where T : struct =>
        table.Supported.Single(v => v.InstructionSet == set).Kernel;
}
