using System.Globalization;
using System.Text;
using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>What a context binary depends on besides its graphs: another backend build, API version or chip needs another binary.</summary>
/// <param name="Provider">The provider's name.</param>
/// <param name="Build">The backend's build id.</param>
/// <param name="CoreApi">Version of the core API.</param>
/// <param name="BackendApi">Version of the backend's own API.</param>
/// <param name="Soc">The chip: SoC model, architecture and VTCM size; empty where the backend does not say.</param>
public sealed record ContextIdentity(string Provider, string Build, QnnApiVersion CoreApi, QnnApiVersion BackendApi, string Soc)
{
    /// <summary>
    /// The identity of an open backend and its default device. Where the device was opened as another chip than the one at hand
    /// (<see cref="QnnDeviceOptions"/>), it is that chip's.
    /// </summary>
    /// <param name="backend">The backend.</param>
    public static ContextIdentity Of(QnnBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return new(backend.ProviderName, backend.BuildId, backend.ApiVersion, backend.BackendApiVersion, DescribeSoc(backend));
    }

    /// <summary>The chip as the cache writes it.</summary>
    /// <param name="socModel">SoC model number; 0 when unknown.</param>
    /// <param name="arch">HTP architecture.</param>
    /// <param name="vtcmMegabytes">VTCM size.</param>
    public static string DescribeSoc(uint socModel, QnnHtpArch arch, int vtcmMegabytes) =>
        string.Create(CultureInfo.InvariantCulture, $"soc {socModel} arch {arch} vtcm {vtcmMegabytes}");

    /// <summary>The text that an entry's key is the hash of; also stored in the entry and compared when it is read.</summary>
    /// <param name="graphs">The graphs of the context, in their order.</param>
    /// <param name="options">How they are prepared.</param>
    public string Describe(IEnumerable<PilotGraphSpec> graphs, PilotOptions options)
    {
        ArgumentNullException.ThrowIfNull(graphs);
        ArgumentNullException.ThrowIfNull(options);
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"provider {Provider}\nbuild {Build}\ncore {CoreApi}\nbackend {BackendApi}\nchip {Soc}\n");
        text.Append(options.DescribeGraphOptions()).Append('\n');
        foreach (PilotGraphSpec graph in graphs)
        {
            text.Append("graph ").Append(graph.Name).Append('\n');
        }

        return text.ToString();
    }

    private static string DescribeSoc(QnnBackend backend)
    {
        try
        {
            QnnDeviceOptions options = backend.Device.Options;
            QnnHtpDeviceInfo? htp = backend.GetPlatformInfo()
                .Where(d => options.DeviceId is null || d.DeviceId == options.DeviceId)
                .Select(d => d.Htp)
                .FirstOrDefault(h => h is not null);
            return htp is null
                ? string.Empty
                : DescribeSoc(
                    options.SocModel ?? htp.SocModel,
                    options.Arch == QnnHtpArch.Unspecified ? htp.Arch : options.Arch,
                    options.VtcmMegabytes ?? htp.VtcmMegabytes);
        }
        catch (QnnException)
        {
            return string.Empty;
        }
    }
}
