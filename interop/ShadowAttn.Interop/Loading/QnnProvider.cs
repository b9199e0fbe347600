using System.Runtime.CompilerServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>What a library says about one of its interface providers.</summary>
/// <param name="Name">The provider's name, for example <c>HTP_QTI_AISW</c>; may be empty.</param>
/// <param name="BackendId">The API's number of the backend kind; 6 is HTP, 0 is unsaid.</param>
/// <param name="CoreApiVersion">Version of the core API that its table follows.</param>
/// <param name="BackendApiVersion">Version of the backend's own additions.</param>
public sealed record QnnProviderInfo(string Name, uint BackendId, QnnApiVersion CoreApiVersion, QnnApiVersion BackendApiVersion)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(Name.Length > 0 ? Name : "unnamed")} with core API {CoreApiVersion}";
}

/// <summary>The chosen provider: its table, cut to the functions that its version has; the others are null.</summary>
sealed unsafe class QnnProvider
{
    public readonly QnnInterface_ImplementationV2_32_t Table;

    QnnProvider(QnnProviderInfo info, QnnInterface_t* provider)
    {
        Info = info;
        int slots = QnnSlots.CountIn(info.CoreApiVersion.Minor);
        fixed (void* table = &Table)
        {
            Unsafe.CopyBlockUnaligned(table, &provider->Anonymous, (uint)(slots * sizeof(nint)));
        }
    }

    public QnnProviderInfo Info { get; }

    /// <summary>Takes the newest provider of core API 2.18 or later.</summary>
    /// <exception cref="QnnLoadException">There is none.</exception>
    public static QnnProvider Choose(QnnInterface_t** providers, uint count, string library, out QnnProviderInfo[] all)
    {
        var infos = new List<QnnProviderInfo>();
        QnnProviderInfo? best = null;
        QnnInterface_t* chosen = null;
        for (uint i = 0; i < count && providers != null; i++)
        {
            if (providers[i] == null)
            {
                continue;
            }
            var info = new QnnProviderInfo(
                NativeText.Read(providers[i]->providerName),
                providers[i]->backendId,
                QnnApiVersion.From(providers[i]->apiVersion.coreApiVersion),
                QnnApiVersion.From(providers[i]->apiVersion.backendApiVersion));
            infos.Add(info);
            bool suits = info.CoreApiVersion.Major == QnnApiVersion.Oldest.Major && info.CoreApiVersion >= QnnApiVersion.Oldest;
            if (suits && (best is null || info.CoreApiVersion > best.CoreApiVersion))
            {
                best = info;
                chosen = providers[i];
            }
        }
        all = [.. infos];
        if (all.Length == 0)
        {
            throw new QnnLoadException(QnnLoadFailure.NoProviders, library, $"'{library}' is a QNN library but offers no interface provider.");
        }
        if (best is null)
        {
            throw new QnnLoadException(QnnLoadFailure.UnsuitableVersion, library,
                $"'{library}' offers {string.Join(" and ", infos)}; needed is {QnnApiVersion.Oldest.Major}.{QnnApiVersion.Oldest.Minor} or a later "
                + $"{QnnApiVersion.Oldest.Major}.x. Use the backend of a newer QNN SDK (2.25 or later).");
        }
        return new QnnProvider(best, chosen);
    }
}
