using System.Runtime.InteropServices;

namespace ShadowAttn.Interop;

/// <summary>C strings of the API, read as UTF-8.</summary>
static unsafe class NativeText
{
    /// <summary>The text, or an empty one for null.</summary>
    public static string Read(sbyte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    /// <summary>A loader's or backend's message as one line.</summary>
    public static string OneLine(string text) =>
        string.Join(' ', text.Split(['\r', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
