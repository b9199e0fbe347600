using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>
/// The functions that backends call to log. The API passes them no user data, so there is one function per open log, from
/// a small pool; when more logs are open than the pool has functions, some share one and each gets the others' lines too.
/// </summary>
static unsafe class QnnLogCallbacks
{
    const int LineBytes = 4096;

    static readonly Lock PoolLock = new();

    static readonly delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void>[] Functions =
        [&Log0, &Log1, &Log2, &Log3, &Log4, &Log5, &Log6, &Log7];

    static readonly QnnLog[][] Receivers = [[], [], [], [], [], [], [], []];

    /// <summary>Binds a function of the pool to a log; returns its index.</summary>
    public static int Bind(QnnLog log, out delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> function)
    {
        lock (PoolLock)
        {
            int slot = 0;
            for (int i = 1; i < Receivers.Length; i++)
            {
                if (Receivers[i].Length < Receivers[slot].Length)
                {
                    slot = i;
                }
            }
            Receivers[slot] = [.. Receivers[slot], log];
            function = Functions[slot];
            return slot;
        }
    }

    /// <summary>Gives a function back; lines that still come on it are dropped.</summary>
    public static void Unbind(int slot, QnnLog log)
    {
        lock (PoolLock)
        {
            Receivers[slot] = [.. Receivers[slot].Where(bound => bound != log)];
        }
    }

    static void Forward(int slot, sbyte* format, QnnLog_Level_t level, void* arguments)
    {
        QnnLog[] logs = Volatile.Read(ref Receivers[slot]);
        if (logs.Length == 0 || format == null)
        {
            return;
        }
        string line;
        try
        {
            line = Format(format, arguments);
        }
        catch (Exception)
        {
            return;
        }
        foreach (QnnLog log in logs)
        {
            log.Receive(level, line);
        }
    }

    /// <summary>
    /// Formats with the C library. <paramref name="arguments"/> is a <c>va_list</c> as the callee of a function sees it: a
    /// pointer, on every ABI that QNN exists for, and passed on as it came. Null means that there is nothing to format.
    /// </summary>
    static string Format(sbyte* format, void* arguments)
    {
        if (arguments == null || CFormat == null)
        {
            return NativeText.OneLine(NativeText.Read(format));
        }
        byte* buffer = stackalloc byte[LineBytes];
        buffer[0] = 0;
        int length = CFormat(buffer, LineBytes, format, arguments);
        bool isCut = length is < 0 or >= LineBytes;
        buffer[LineBytes - 1] = 0;
        string line = NativeText.OneLine(Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(buffer)));
        return isCut ? line + " ..." : line;
    }

    static readonly delegate* unmanaged[Cdecl]<byte*, nuint, sbyte*, void*, int> CFormat = FindFormatter();

    static delegate* unmanaged[Cdecl]<byte*, nuint, sbyte*, void*, int> FindFormatter()
    {
        nint address = 0;
        if (OperatingSystem.IsWindows())
        {
            if (NativeLibrary.TryLoad("msvcrt.dll", out nint library))
            {
                NativeLibrary.TryGetExport(library, "_vsnprintf", out address);
            }
        }
        else
        {
            NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "vsnprintf", out address);
        }
        return (delegate* unmanaged[Cdecl]<byte*, nuint, sbyte*, void*, int>)address;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log0(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(0, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log1(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(1, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log2(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(2, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log3(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(3, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log4(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(4, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log5(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(5, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log6(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(6, format, level, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Log7(sbyte* format, QnnLog_Level_t level, ulong time, void* arguments) => Forward(7, format, level, arguments);
}
