using ShadowAttn.Attention;
using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Run;

/// <summary>How modes and other choices are called on the command line and in JSON.</summary>
internal static class OptionNames
{
    private static readonly (AttentionMode Value, string Name)[] s_modes =
    [
        (AttentionMode.Shadow, "shadow"),
        (AttentionMode.ShadowCpu, "shadow-cpu"),
        (AttentionMode.Dense, "dense"),
        (AttentionMode.NpuInt8, "npu-int8"),
        (AttentionMode.SparseCpu, "sparse-cpu"),
        (AttentionMode.BlockSparse, "block-sparse"),
    ];

    private static readonly (TailCompensation Value, string Name)[] s_tails =
    [
        (TailCompensation.Linear, "linear"),
        (TailCompensation.Mean, "mean"),
        (TailCompensation.None, "none"),
    ];

    private static readonly (PilotBuckets Value, string Name)[] s_buckets = [(PilotBuckets.Universal, "universal"), (PilotBuckets.Paper, "paper")];

    private static readonly (KvFormat Value, string Name)[] s_formats =
        [(KvFormat.F32, "f32"), (KvFormat.F16, "f16"), (KvFormat.BF16, "bf16"), (KvFormat.Q16, "q16")];

    private static readonly (HeadSchedule Value, string Name)[] s_schedules =
        [(HeadSchedule.Johnson, "johnson"), (HeadSchedule.Greedy, "greedy"), (HeadSchedule.Fifo, "fifo")];

    private static readonly (ExactTopK Value, string Name)[] s_exact =
    [
        (ExactTopK.None, "none"),
        (ExactTopK.Sure, "sure"),
        (ExactTopK.TwoErrors, "2"),
        (ExactTopK.ThreeErrors, "3"),
    ];

    public static string ExactTopKs => List(s_exact);

    public static string Modes => List(s_modes);

    public static string Tails => List(s_tails);

    public static string Buckets => List(s_buckets);

    public static string KvFormats => List(s_formats);

    public static bool TryParse(string text, out AttentionMode value) => TryFind(s_modes, text, out value);

    public static bool TryParse(string text, out TailCompensation value) => TryFind(s_tails, text, out value);

    public static bool TryParse(string text, out PilotBuckets value) => TryFind(s_buckets, text, out value);

    public static bool TryParse(string text, out KvFormat value) => TryFind(s_formats, text, out value);

    public static bool TryParse(string text, out ExactTopK value) => TryFind(s_exact, text, out value);

    public static string Schedules => List(s_schedules);

    public static bool TryParse(string text, out HeadSchedule value) => TryFind(s_schedules, text, out value);

    public static string Name(HeadSchedule value) => Array.Find(s_schedules, s => s.Value == value).Name;

    public static string Name(ExactTopK value) => Array.Find(s_exact, e => e.Value == value).Name;

    public static string Name(AttentionMode value) => Array.Find(s_modes, m => m.Value == value).Name;

    public static string Name(TailCompensation value) => Array.Find(s_tails, t => t.Value == value).Name;

    public static string Name(KvFormat value) => Array.Find(s_formats, f => f.Value == value).Name;

    private static bool TryFind<T>((T Value, string Name)[] names, string text, out T value)
    {
        int index = Array.FindIndex(names, n => n.Name == text);
        value = index < 0 ? default! : names[index].Value;
        return index >= 0;
    }

    private static string List<T>((T Value, string Name)[] names) => names.Length == 1
        ? names[0].Name
        : string.Join(", ", names[..^1].Select(n => n.Name)) + " or " + names[^1].Name;
}
