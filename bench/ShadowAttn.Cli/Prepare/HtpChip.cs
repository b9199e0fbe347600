using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Prepare;

/// <summary>A chip that graphs can be prepared for.</summary>
/// <param name="SocModel">SoC model number, as the device's platform info says it.</param>
/// <param name="Name">The chip's name.</param>
/// <param name="Arch">Its HTP generation.</param>
/// <param name="VtcmMegabytes">Size of its tightly coupled memory.</param>
internal sealed record HtpChip(uint SocModel, string Name, QnnHtpArch Arch, int VtcmMegabytes)
{
    /// <summary>Known chips, each generation's usual phone first; as ExecuTorch's Qualcomm delegate lists them, and as SDK 2.51 prepares for SoC 60 and 103.</summary>
    public static IReadOnlyList<HtpChip> Known { get; } =
    [
        new(30, "SM8350", QnnHtpArch.V68, 4),
        new(39, "SA8295", QnnHtpArch.V68, 8),
        new(62, "SA8540", QnnHtpArch.V68, 8),
        new(93, "QCM6490", QnnHtpArch.V68, 2),
        new(36, "SM8450", QnnHtpArch.V69, 8),
        new(42, "SM8475", QnnHtpArch.V69, 8),
        new(53, "SXR2230P", QnnHtpArch.V69, 8),
        new(43, "SM8550", QnnHtpArch.V73, 8),
        new(45, "SXR1230P", QnnHtpArch.V73, 2),
        new(46, "SSG2115P", QnnHtpArch.V73, 2),
        new(52, "SA8255", QnnHtpArch.V73, 8),
        new(58, "SSG2125P", QnnHtpArch.V73, 2),
        new(60, "SC8380XP", QnnHtpArch.V73, 8),
        new(77, "QCS9100", QnnHtpArch.V73, 8),
        new(57, "SM8650", QnnHtpArch.V75, 8),
        new(69, "SM8750", QnnHtpArch.V79, 8),
        new(75, "SXR2330P", QnnHtpArch.V79, 8),
        new(87, "SM8850", QnnHtpArch.V81, 8),
        new(72, "SA8797", QnnHtpArch.V81, 16),
        new(95, "SAR2230P", QnnHtpArch.V81, 4),
        new(96, "SW6100", QnnHtpArch.V81, 4),
        new(97, "SM8845", QnnHtpArch.V81, 8),
        new(103, "SM8975", QnnHtpArch.V85, 12),
    ];

    /// <summary>The chip that the options mean.</summary>
    /// <param name="arch">The generation.</param>
    /// <param name="soc">The SoC model number; null for the generation's usual phone.</param>
    /// <param name="vtcmMegabytes">Null for the chip's own.</param>
    /// <exception cref="InputException">A known chip is of another generation, or what was left out is not known.</exception>
    public static HtpChip Choose(QnnHtpArch arch, uint? soc, int? vtcmMegabytes)
    {
        string archName = arch.ToString().ToLowerInvariant();
        HtpChip? known = Known.FirstOrDefault(c => soc is null ? c.Arch == arch : c.SocModel == soc);
        if (known is not null)
        {
            return known.Arch == arch
                ? known with { VtcmMegabytes = vtcmMegabytes ?? known.VtcmMegabytes }
                : throw new InputException($"--soc: {soc} is {known.Name}, an HTP {known.Arch.ToString().ToLowerInvariant()} and not {archName}");
        }

        uint number = soc ?? throw new InputException($"--soc: is needed for {archName}; doctor on the device shows its number");
        return new HtpChip(number, "unknown chip", arch, vtcmMegabytes
            ?? throw new InputException($"--vtcm: is needed for SoC {number}, which is not known; doctor on the device shows its size"));
    }
}
