using System.Runtime.CompilerServices;
using ShadowAttn.Memory;

namespace ShadowAttn.Tests;

/// <summary>All heap buffers of the tests are guarded, so that a kernel that strays faults.</summary>
internal static class GuardPages
{
    [ModuleInitializer]
    public static void SwitchOn()
    {
        if (OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable(UnmanagedBuffer.GuardVariable) is null)
        {
            Environment.SetEnvironmentVariable(UnmanagedBuffer.GuardVariable, "1");
        }
    }
}
