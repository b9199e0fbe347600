using System.Runtime.InteropServices;

namespace ShadowAttn.Cli.Terminal;

/// <summary>
/// Some QNN backends print to the standard output, at unload even, where it would follow the JSON that a program wants to read.
/// </summary>
internal static partial class NativeOutput
{
    private const int StandardOutput = 1;
    private const int StandardError = 2;

    /// <summary>
    /// Makes descriptor 1 mean the error stream. <see cref="Console.Out"/>, if it was used before, holds a duplicate of the old one and
    /// still writes there.
    /// </summary>
    public static void SendToErrorStream() => _ = dup2(StandardError, StandardOutput);

    [LibraryImport("libc")]
    private static partial int dup2(int fileDescriptor, int newFileDescriptor);
}
