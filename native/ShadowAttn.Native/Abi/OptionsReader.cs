using System.Globalization;
using ShadowAttn.Attention;

namespace ShadowAttn.Native;

/// <summary><c>sa_attention_options</c> as the operator takes them: zeros become defaults, numbers are checked.</summary>
internal static unsafe class OptionsReader
{
    /// <summary>The largest number of query heads; so many, and counters for each still fit.</summary>
    public const uint MaxHeads = 65536;

    /// <exception cref="SaException">A field is wrong.</exception>
    /// <exception cref="ArgumentException">A field is wrong.</exception>
    public static AttentionOptions Read(in SaAttentionOptions o, bool hasBackend, CalibrationProfile? profile, IAttentionWorkers? workers)
    {
        Require(o.Heads is >= 1 and <= MaxHeads, $"heads is {o.Heads}; it must be 1 to {MaxHeads}");
        Require(o.KvHeads is >= 1 && o.KvHeads <= o.Heads, $"kv_heads is {o.KvHeads}; it must be 1 to heads, {o.Heads}");
        Require(o.HeadDim is >= 1 and <= AttentionOptions.MaxHeadDim, $"head_dim is {o.HeadDim}; it must be 1 to {AttentionOptions.MaxHeadDim}");
        Require(o.Keep == 0 || o.Mass == 0, "keep and mass are both set; one of them says how many keys a row keeps");
        Require(o.Mask is 0 or 1, $"mask is {o.Mask}; it must be SA_MASK_CAUSAL or SA_MASK_NONE");
        Require(o.Crossover is 0 or 1, $"crossover is {o.Crossover}; it must be SA_CROSSOVER_ON or SA_CROSSOVER_OFF");
        Require(o.Reserved == 0, $"reserved is {o.Reserved}; it must be 0");
        Require(
            profile is null || (o.Keep == 0 && o.Mass == 0 && o.MinKeys == 0 && o.KeepPerHead == null),
            "profile says how many keys each head keeps; keep, mass, min_keys and keep_per_head must be 0 with it");
        var options = new AttentionOptions
        {
            Heads = (int)o.Heads,
            KvHeads = (int)o.KvHeads,
            HeadDim = (int)o.HeadDim,
            Mode = ReadMode(o.Mode, hasBackend),
            Keep = ReadKeep(o.Keep, o.Mass),
            KeepPerHead = o.KeepPerHead == null ? default : ReadShares(new ReadOnlySpan<float>(o.KeepPerHead, (int)o.Heads)),
            MinKeys = o.MinKeys == 0 ? 64 : Whole(o.MinKeys, "min_keys"),
            Tail = o.Tail switch
            {
                0 or 3 => TailCompensation.Linear,
                1 => TailCompensation.None,
                2 => TailCompensation.Mean,
                _ => throw SaException.Argument($"tail is {o.Tail}; it must be one of SA_TAIL_*"),
            },
            ExactTopK = o.Exact is >= 0 and <= 3 ? (ExactTopK)o.Exact : throw SaException.Argument($"exact is {o.Exact}; it must be one of SA_EXACT_*"),
            Crossover = o.Crossover == 0,
            Causal = o.Mask == 0,
            SlidingWindow = o.SlidingWindow == 0 ? null : Whole(o.SlidingWindow, "sliding_window"),
            AlibiSlopes = o.AlibiSlopes == null ? default : new ReadOnlySpan<float>(o.AlibiSlopes, (int)o.Heads).ToArray(),
            Sinks = Whole(o.Sinks, "sinks"),
            LocalWindow = Whole(o.LocalWindow, "local_window"),
            Scale = o.Scale == 0 ? null : o.Scale,
            Threads = Whole(o.Threads, "threads"),
            Workers = workers,
            MaxPlans = o.MaxPlans switch
            {
                0 => 4,
                <= MaxHeldPlans => (int)o.MaxPlans,
                _ => throw SaException.Argument($"max_plans is {o.MaxPlans}; it must be at most {MaxHeldPlans}"),
            },
        };
        if (options.Mode is AttentionMode.Shadow or AttentionMode.NpuInt8 && !hasBackend)
        {
            throw SaException.Argument("mode needs a backend and there is none; SA_MODE_SHADOW_CPU and SA_MODE_DENSE need none");
        }

        if (profile is not null)
        {
            options = profile.Apply(options, Whole(o.Layer, "layer"));
        }

        options.Validate();
        return options;
    }

    private const uint MaxHeldPlans = 1024;

    private static AttentionMode ReadMode(int mode, bool hasBackend) => mode switch
    {
        0 => hasBackend ? AttentionMode.Shadow : AttentionMode.ShadowCpu,
        1 => AttentionMode.Shadow,
        2 => AttentionMode.ShadowCpu,
        3 => AttentionMode.Dense,
        4 => AttentionMode.NpuInt8,
        5 => AttentionMode.SparseCpu,
        6 => AttentionMode.BlockSparse,
        _ => throw SaException.Argument($"mode is {mode}; it must be one of SA_MODE_*"),
    };

    private static KeepRatio ReadKeep(float keep, float mass)
    {
        float share = mass != 0 ? mass : keep != 0 ? keep : 0.2f;
        Require(share is > 0 and <= 1, $"{(mass != 0 ? "mass" : "keep")} is {share}; it must be above 0 and at most 1");
        return mass != 0 ? KeepRatio.Mass(Decimal(share)) : KeepRatio.Share(Decimal(share));
    }

    private static double[] ReadShares(ReadOnlySpan<float> shares)
    {
        var copy = new double[shares.Length];
        for (int head = 0; head < copy.Length; head++)
        {
            Require(shares[head] is > 0 and <= 1, $"keep_per_head[{head}] is {shares[head]}; it must be above 0 and at most 1");
            copy[head] = Decimal(shares[head]);
        }

        return copy;
    }

    /// <summary>0.2f is a little more than 0.2, and a share of ten keys would be three of them.</summary>
    private static double Decimal(float share) => double.Parse(share.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static int Whole(uint number, string name) =>
        number <= int.MaxValue ? (int)number : throw SaException.Argument($"{name} is {number}; it must be at most {int.MaxValue}");

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw SaException.Argument(message);
        }
    }
}
