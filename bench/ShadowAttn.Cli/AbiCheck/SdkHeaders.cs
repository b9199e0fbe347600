namespace ShadowAttn.Cli.AbiCheck;

/// <summary>The headers of an installed QNN SDK.</summary>
/// <param name="Folder">The folder that <c>#include "QnnInterface.h"</c> is relative to.</param>
/// <param name="Present">The headers that are there, of those that the bindings cover.</param>
/// <param name="Missing">The headers that are not.</param>
internal sealed record SdkHeaders(string Folder, IReadOnlyList<string> Present, IReadOnlyList<string> Missing)
{
    private const string Main = "QnnInterface.h";

    private static readonly string[] s_headers =
    [
        Main, "QnnCommon.h", "QnnTypes.h", "QnnBackend.h", "QnnContext.h", "QnnDevice.h", "QnnError.h", "QnnGlobalConfig.h", "QnnGraph.h", "QnnLog.h",
        "QnnMem.h", "QnnOpDef.h", "QnnOpPackage.h", "QnnProfile.h", "QnnProperty.h", "QnnSignal.h", "QnnTensor.h",
        "System/QnnSystemCommon.h", "System/QnnSystemContext.h", "System/QnnSystemDlc.h", "System/QnnSystemInterface.h", "System/QnnSystemLog.h",
        "System/QnnSystemProfile.h", "System/QnnSystemTensor.h",
        "HTP/QnnHtpCommon.h", "HTP/QnnHtpContext.h", "HTP/QnnHtpDevice.h", "HTP/QnnHtpGraph.h", "HTP/QnnHtpMem.h", "HTP/QnnHtpPerfInfrastructure.h",
        "HTP/QnnHtpProfile.h", "HTP/QnnHtpProperty.h", "Saver/QnnSaver.h",
    ];

    /// <summary>Finds the headers.</summary>
    /// <param name="sdk">The SDK's folder, or its <c>include</c>, or the folder of the headers themselves.</param>
    /// <exception cref="InputException">There are none.</exception>
    public static SdkHeaders Find(string sdk)
    {
        if (!Directory.Exists(sdk))
        {
            throw new InputException($"--sdk: there is no folder {sdk}");
        }

        foreach (string below in new[] { "include/QNN", "include", "QNN", "" })
        {
            string folder = Path.GetFullPath(Path.Combine(sdk, below));
            if (File.Exists(Path.Combine(folder, Main)))
            {
                ILookup<bool, string> there = s_headers.ToLookup(h => File.Exists(Path.Combine(folder, h)));
                return new SdkHeaders(folder, [.. there[true]], [.. there[false]]);
            }
        }

        throw new InputException($"--sdk: {sdk} has no {Main}, neither in include/QNN nor in include nor itself; name the folder of an unpacked QNN SDK");
    }
}
