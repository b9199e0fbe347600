using System.Globalization;
using System.Runtime.InteropServices;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Reports;

/// <summary>What a measurement ran on.</summary>
/// <param name="Cpu">The CPU's name as the system gives it.</param>
/// <param name="Architecture">x64 or arm64.</param>
/// <param name="Isa">The best instruction set that the kernels use.</param>
/// <param name="Cores">Logical cores.</param>
/// <param name="Os">The operating system.</param>
/// <param name="Runtime">The .NET runtime.</param>
public sealed record Machine(string Cpu, string Architecture, string Isa, int Cores, string Os, string Runtime)
{
    /// <summary>This machine.</summary>
    public static Machine Current() => new(
        CpuName(),
        RuntimeInformation.ProcessArchitecture.ToString().ToLower(CultureInfo.InvariantCulture),
        InstructionSets.Name(InstructionSets.Active),
        Environment.ProcessorCount,
        RuntimeInformation.OSDescription,
        RuntimeInformation.FrameworkDescription);

    private static string CpuName()
    {
        const string cpuInfo = "/proc/cpuinfo";
        if (OperatingSystem.IsLinux() && File.Exists(cpuInfo))
        {
            string[] lines = File.ReadAllLines(cpuInfo);
            if (Value(lines, "model name") is { } name)
            {
                return name;
            }

            if (Value(lines, "CPU implementer") is { } implementer && Value(lines, "CPU part") is { } part)
            {
                return $"implementer {implementer}, part {part}";
            }
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown";
    }

    private static string? Value(string[] lines, string key)
    {
        string? line = Array.Find(lines, l => l.StartsWith(key, StringComparison.Ordinal));
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
