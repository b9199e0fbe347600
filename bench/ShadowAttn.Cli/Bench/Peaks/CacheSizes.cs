using System.Globalization;

namespace ShadowAttn.Cli.Bench.Peaks;

/// <summary>The caches of a core.</summary>
/// <param name="L1Bytes">First level, data.</param>
/// <param name="L2Bytes">Second level.</param>
/// <param name="L3Bytes">Third level; 0 for none.</param>
/// <param name="L3Shared">How many processors share the third level.</param>
/// <param name="Source">Where that is known from: the system, or <c>default</c>.</param>
public sealed record CacheSizes(long L1Bytes, long L2Bytes, long L3Bytes, int L3Shared, string Source)
{
    private const string SystemFolder = "/sys/devices/system/cpu/cpu0/cache";

    /// <summary>This machine's, as Linux says; where it does not, sizes that many cores have.</summary>
    public static CacheSizes Current { get; } = Read(SystemFolder) ?? new CacheSizes(32 << 10, 512 << 10, 4 << 20, Environment.ProcessorCount, "default");

    /// <summary>The sizes in a folder such as Linux's <c>/sys/devices/system/cpu/cpu0/cache</c>; null when it has no data cache.</summary>
    /// <param name="folder">The folder.</param>
    public static CacheSizes? Read(string folder)
    {
        long[] sizes = new long[4];
        int shared = 1;
        try
        {
            if (!Directory.Exists(folder))
            {
                return null;
            }

            foreach (string index in Directory.EnumerateDirectories(folder, "index*"))
            {
                int level = int.Parse(Text(index, "level"), CultureInfo.InvariantCulture);
                if (Text(index, "type") == "Instruction" || level is < 1 or > 3)
                {
                    continue;
                }

                sizes[level] = Bytes(Text(index, "size"));
                shared = level == 3 ? Processors(Text(index, "shared_cpu_list")) : shared;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return null;
        }

        return sizes[1] > 0 && sizes[2] > 0 ? new CacheSizes(sizes[1], sizes[2], sizes[3], shared, folder) : null;
    }

    private static string Text(string index, string name) => File.ReadAllText(Path.Combine(index, name)).Trim();

    private static long Bytes(string text) => text[^1] switch
    {
        'K' => long.Parse(text[..^1], CultureInfo.InvariantCulture) << 10,
        'M' => long.Parse(text[..^1], CultureInfo.InvariantCulture) << 20,
        _ => long.Parse(text, CultureInfo.InvariantCulture),
    };

    /// <summary>The number of processors in a list such as <c>0-3,8-11</c>.</summary>
    private static int Processors(string list)
    {
        int count = 0;
        foreach (string range in list.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = range.Split('-');
            count += int.Parse(ends[^1], CultureInfo.InvariantCulture) - int.Parse(ends[0], CultureInfo.InvariantCulture) + 1;
        }

        return Math.Max(1, count);
    }
}
