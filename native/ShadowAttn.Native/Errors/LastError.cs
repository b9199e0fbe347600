using System.Runtime.CompilerServices;
using System.Text;

namespace ShadowAttn.Native;

/// <summary>The message of each thread's last failure. The memory belongs to the thread's statics and goes with the thread.</summary>
internal static unsafe class LastError
{
    private const int Capacity = 2048;

    [ThreadStatic]
    private static byte[]? s_text;

    /// <summary>The message, UTF-8 with a zero at the end; empty if nothing has failed.</summary>
    public static byte* Text => s_text is { } text ? (byte*)Unsafe.AsPointer(ref text[0]) : Utf8.Pointer("\0"u8);

    /// <summary>Keeps the message of a failure and gives its code.</summary>
    /// <param name="failure">What happened.</param>
    /// <param name="function">The function that was called.</param>
    public static SaStatus Set(Exception failure, string function)
    {
        (SaStatus status, string message) = ErrorText.Describe(failure);

        // Pinned, since the caller has its address.
        byte[] text = s_text ??= GC.AllocateUninitializedArray<byte>(Capacity, pinned: true);
        text[Utf8.Write($"{function}: {message}", text)] = 0;
        return status;
    }
}

/// <summary>Text as C has it.</summary>
internal static unsafe class Utf8
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>The address of a literal, which has a zero at its end and stays where it is.</summary>
    public static byte* Pointer(ReadOnlySpan<byte> literal) => (byte*)Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetReference(literal));

    /// <summary>A caller's string.</summary>
    /// <exception cref="SaException">It is null or no UTF-8.</exception>
    public static string Read(byte* text, string name)
    {
        if (text == null)
        {
            throw SaException.Null(name);
        }

        try
        {
            return Strict.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
        }
        catch (DecoderFallbackException)
        {
            throw SaException.Argument($"{name} is no UTF-8");
        }
    }

    /// <summary>Writes as many whole characters as fit, leaving room for a zero. Returns the bytes without it.</summary>
    public static int Write(string text, Span<byte> destination)
    {
        System.Text.Unicode.Utf8.FromUtf16(text, destination[..^1], out _, out int written);
        return written;
    }
}
