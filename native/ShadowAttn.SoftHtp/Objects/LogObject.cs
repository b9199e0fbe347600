using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Execution;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>A client's log: a callback, or standard error where the client gave none.</summary>
internal sealed unsafe class LogObject : QnnObject
{
    // The callback takes a va_list. Messages are complete, with % doubled, so a zeroed one of any ABI's size is never read from.
    static readonly void* EmptyArguments = NativeMemory.AllocZeroed(128);

    readonly delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> _callback;
    volatile QnnLog_Level_t _level;

    internal LogObject(
        SoftHtpInstance instance,
        delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> callback,
        QnnLog_Level_t level)
        : base(instance, HandleKind.Log)
    {
        _callback = callback;
        _level = level;
    }

    internal QnnLog_Level_t Level
    {
        get => _level;
        set => _level = value;
    }

    /// <summary>Hands one message to <paramref name="log"/> unless it is absent, freed or set to a lower level.</summary>
    internal static void Write(LogObject? log, QnnLog_Level_t level, string message)
    {
        if (log is null || level > log._level || !log.TryEnter())
        {
            return;
        }
        try
        {
            if (log._callback == null)
            {
                Console.Error.WriteLine($"SoftHtp {message}");
                return;
            }
            byte[] text = Encoding.UTF8.GetBytes(message.Replace("%", "%%", StringComparison.Ordinal) + '\0');
            fixed (byte* pointer = text)
            {
                log._callback((sbyte*)pointer, level, (ulong)Clock.Now(), EmptyArguments);
            }
        }
        finally
        {
            log.Exit();
        }
    }
}
