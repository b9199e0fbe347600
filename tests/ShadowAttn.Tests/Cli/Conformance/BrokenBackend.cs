using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp;

namespace ShadowAttn.Tests.Cli.Conformance;

/// <summary>
/// SoftHtp behind a copy of its provider table in which some functions are other ones. Those are static and call on through
/// <see cref="Original"/>, so that there is one broken backend at a time.
/// </summary>
internal sealed unsafe class BrokenBackend : IDisposable
{
    private readonly SoftHtpBackend _soft;
    private readonly QnnInterface_t* _provider;
    private readonly QnnLibrary _library;

    public delegate void Break(ref QnnInterface_ImplementationV2_32_t table, ref QnnInterface_t provider);

    public BrokenBackend(Break how)
    {
        _soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        Original = _soft.Providers[0]->v2_32;
        _provider = (QnnInterface_t*)NativeMemory.Alloc((nuint)sizeof(QnnInterface_t));
        *_provider = *_soft.Providers[0];
        how(ref _provider->v2_32, ref *_provider);
        QnnInterface_t* provider = _provider;
        _library = QnnLibrary.FromProviderTable(
            &provider, 1, "broken", _soft, SoftHtpBackend.SystemProviders, SoftHtpBackend.SystemProviderCount);
    }

    /// <summary>The functions of the backend as it is without faults.</summary>
    public static QnnInterface_ImplementationV2_32_t Original { get; private set; }

    /// <summary>Checks some areas of the broken backend.</summary>
    public ConformanceReport Check(params string[] areas) => ConformanceSuite.Run(_library, areas, isGuarded: true);

    public void Dispose()
    {
        _library.Dispose();
        _soft.Dispose();
        NativeMemory.Free(_provider);
    }
}
