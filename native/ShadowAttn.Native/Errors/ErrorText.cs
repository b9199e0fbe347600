using System.Text;
using ShadowAttn.Interop;

namespace ShadowAttn.Native;

/// <summary>Which code an exception becomes, and its message in the words of the header.</summary>
internal static class ErrorText
{
    /// <summary>Options and modes under their names in C#, and in the header.</summary>
    private static readonly Dictionary<string, string> HeaderNames = new()
    {
        ["Heads"] = "heads", ["KvHeads"] = "kv_heads", ["HeadDim"] = "head_dim", ["Mode"] = "mode", ["Keep"] = "keep", ["KeepPerHead"] = "keep_per_head",
        ["MinKeys"] = "min_keys", ["Tail"] = "tail", ["ExactTopK"] = "exact", ["Crossover"] = "crossover", ["Causal"] = "SA_MASK_CAUSAL", ["SlidingWindow"] = "sliding_window",
        ["AlibiSlopes"] = "alibi_slopes", ["Sinks"] = "sinks", ["LocalWindow"] = "local_window", ["Scale"] = "scale", ["Threads"] = "threads",
        ["Workers"] = "workers", ["MaxPlans"] = "max_plans", ["Shadow"] = "SA_MODE_SHADOW", ["ShadowCpu"] = "SA_MODE_SHADOW_CPU",
        ["Dense"] = "SA_MODE_DENSE", ["NpuInt8"] = "SA_MODE_NPU_INT8", ["SparseCpu"] = "SA_MODE_SPARSE_CPU", ["BlockSparse"] = "SA_MODE_BLOCK_SPARSE",
    };

    /// <summary>The code and the message, on one line.</summary>
    public static (SaStatus Status, string Message) Describe(Exception failure) => failure switch
    {
        SaException own => (own.Status, own.Message),
        OperationCanceledException => (SaStatus.Cancelled, "the call was cancelled"),
        QnnLoadException => (SaStatus.BackendLoad, OneLine(failure.Message)),
        QnnNotSupportedException => (SaStatus.NotSupported, OneLine(failure.Message)),
        QnnException => (SaStatus.Backend, OneLine(failure.Message)),
        PlatformNotSupportedException => (SaStatus.NotSupported, OneLine(failure.Message)),
        OutOfMemoryException => (SaStatus.Memory, "not enough memory"),
        ArgumentException => (SaStatus.Argument, InHeaderWords(failure.Message)),
        OverflowException => (SaStatus.Argument, "the sizes together exceed the address space"),
        _ => (SaStatus.Internal, $"{failure.GetType().Name}: {OneLine(failure.Message)}"),
    };

    private static string InHeaderWords(string message)
    {
        // .NET adds the parameter's name and the value; both are in the message already.
        int end = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        string text = OneLine(end < 0 ? message : message[..end]);
        var words = new StringBuilder(text.Length);
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            while (at < text.Length && char.IsAsciiLetterOrDigit(text[at]))
            {
                at++;
            }

            string word = text[start..at];
            words.Append(HeaderNames.GetValueOrDefault(word, word));
            if (at < text.Length)
            {
                words.Append(text[at++]);
            }
        }

        return words.ToString();
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ");
}
