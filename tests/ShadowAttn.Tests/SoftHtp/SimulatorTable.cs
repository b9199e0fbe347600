using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Tests.Interop.Htp;
using Xunit;

namespace ShadowAttn.Tests.SoftHtp;

/// <summary>The provider table of the HTP simulator, for tests of its collection.</summary>
internal static unsafe class SimulatorTable
{
    private static QnnInterface_t* s_provider;

    internal static QnnInterface_t* Provider()
    {
        HtpSimulator.SkipUnlessThere();
        if (s_provider == null)
        {
            nint library = NativeLibrary.Load(HtpSimulator.LibraryPath!);
            var getProviders = (delegate* unmanaged[Cdecl]<QnnInterface_t***, uint*, ulong>)NativeLibrary.GetExport(library, "QnnInterface_getProviders");
            QnnInterface_t** providers;
            uint count;
            Assert.Equal(0UL, getProviders(&providers, &count));
            Assert.True(count >= 1);
            s_provider = providers[0];
        }
        return s_provider;
    }
}
