using System.Runtime.InteropServices;

namespace ShadowAttn.InstructionCount;

/// <summary>
/// Marks the beginning and the end of what is counted. The emulator's plugin writes the instructions executed so far at each mark; what the
/// marks belong to is printed at the end: a line "operator, shape, implementation, weight" per pair of marks, in order, separated by tabs.
/// </summary>
internal sealed unsafe partial class Counter
{
    /// <summary>The length of a write that makes it a mark; eng/arm64/count.c has it too.</summary>
    private const int Mark = 0x5ad0;

    private readonly List<string> sections = [];

    /// <summary>Runs an operation between two marks.</summary>
    /// <param name="name">The operator, or operator/part.</param>
    /// <param name="shape">The shape's name.</param>
    /// <param name="implementation">Instruction set, or C.</param>
    /// <param name="weight">How often the whole case runs it.</param>
    /// <param name="run">The operation.</param>
    public void Count(string name, string shape, string implementation, int weight, Action run)
    {
        int id = 2 * sections.Count;
        Write(-1, (void*)id, Mark);
        run();
        Write(-1, (void*)(id + 1), Mark);
        sections.Add($"{name}\t{shape}\t{implementation}\t{weight}");
    }

    /// <summary>Prints what was counted.</summary>
    public void Print(TextWriter output)
    {
        foreach (string section in sections)
        {
            output.WriteLine(section);
        }
    }

    [LibraryImport("libc", EntryPoint = "write")]
    [SuppressGCTransition]
    private static partial nint Write(nint file, void* id, nint mark);
}
