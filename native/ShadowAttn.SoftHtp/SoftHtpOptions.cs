using System.Globalization;

namespace ShadowAttn.SoftHtp;

/// <summary>How one software backend behaves.</summary>
public sealed record SoftHtpOptions
{
    /// <summary>Environment variable that <see cref="FromEnvironment"/> reads.</summary>
    public const string EnvironmentVariable = "SHADOWATTN_SOFTHTP";

    /// <summary>Threads that execute a graph, the caller's included; 0: one per logical processor.</summary>
    public int Threads { get; init; }

    /// <summary>Time a graph takes at least.</summary>
    public LatencyModel Latency { get; init; }

    /// <summary>Calls that fail, come late or return nothing.</summary>
    public IReadOnlyList<Fault> Faults { get; init; } = [];

    /// <summary>SoC model of the reported platform (<c>Qnn_SocModel_t</c>); 57 is SM8650.</summary>
    public uint SocModel { get; init; } = 57;

    /// <summary>HTP architecture of the reported platform: 68, 69, 73, 75, 79, 81 or 85.</summary>
    public uint Arch { get; init; } = 75;

    /// <summary>Vector memory of the reported platform, MiB.</summary>
    public uint VtcmMib { get; init; } = 8;

    /// <summary>
    /// The options in <see cref="EnvironmentVariable"/>: <c>key=value</c> pairs separated by semicolons. Keys: <c>threads</c>,
    /// <c>launch_us</c>, <c>ns_per_mac</c>, or <c>latency=snapdragon-8-gen-3</c> for both, <c>soc</c>, <c>arch</c>, <c>vtcm_mib</c>, and <c>fault</c> (repeatable, see <see cref="Fault.Parse"/>).
    /// </summary>
    /// <exception cref="FormatException">A pair cannot be read; the message names it.</exception>
    public static SoftHtpOptions FromEnvironment() => Parse(Environment.GetEnvironmentVariable(EnvironmentVariable) ?? "");

    /// <summary>Reads the form described at <see cref="FromEnvironment"/>; an empty text gives the defaults.</summary>
    /// <exception cref="FormatException">A pair cannot be read; the message names it.</exception>
    public static SoftHtpOptions Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var options = new SoftHtpOptions();
        var faults = new List<Fault>();
        foreach (string pair in text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? pair : pair[..equals];
            string value = equals < 0 ? "" : pair[(equals + 1)..];
            options = key switch
            {
                "threads" => options with { Threads = (int)Whole(pair, value, 1024) },
                "launch_us" => options with { Latency = options.Latency with { LaunchNs = (long)(Real(pair, value) * 1000) } },
                "ns_per_mac" => options with { Latency = options.Latency with { NsPerMac = Real(pair, value) } },
                "latency" => options with { Latency = Named(pair, value) },
                "soc" => options with { SocModel = Whole(pair, value, int.MaxValue) },
                "arch" => options with { Arch = Whole(pair, value, 1000) },
                "vtcm_mib" => options with { VtcmMib = Whole(pair, value, 1024) },
                "fault" => AddFault(options, faults, value),
                _ => throw new FormatException(
                    $"{EnvironmentVariable}: '{pair}' is unknown; expected threads, launch_us, ns_per_mac, latency, soc, arch, vtcm_mib or fault."),
            };
        }
        return options with { Faults = faults };
    }

    static SoftHtpOptions AddFault(SoftHtpOptions options, List<Fault> faults, string text)
    {
        faults.Add(Fault.Parse(text));
        return options;
    }

    static LatencyModel Named(string pair, string value) => value == "snapdragon-8-gen-3"
        ? LatencyModel.Snapdragon8Gen3
        : throw new FormatException($"{EnvironmentVariable}: '{pair}' is unknown; the named model is snapdragon-8-gen-3.");

    static uint Whole(string pair, string value, uint max) =>
        uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) && number <= max
            ? number
            : throw new FormatException($"{EnvironmentVariable}: '{pair}' needs a whole number up to {max}.");

    static double Real(string pair, string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number >= 0 && double.IsFinite(number)
            ? number
            : throw new FormatException($"{EnvironmentVariable}: '{pair}' needs a number that is not negative.");
}
