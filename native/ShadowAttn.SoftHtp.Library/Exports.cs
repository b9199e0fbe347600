using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Library;

/// <summary>
/// What a QNN client looks up in a backend library. The one instance of the process has the options of the environment variable
/// <see cref="SoftHtpOptions.EnvironmentVariable"/>.
/// </summary>
internal static unsafe class Exports
{
    const ulong InvalidParameter = (ulong)QnnInterface_Error_t.QNN_INTERFACE_ERROR_INVALID_PARAMETER;
    const ulong NotSupported = (ulong)QnnInterface_Error_t.QNN_INTERFACE_ERROR_NOT_SUPPORTED;

    static readonly Lock Gate = new();
    static SoftHtpBackend? s_backend;

    /// <summary><c>QnnInterface_getProviders</c> of the backend interface.</summary>
    [UnmanagedCallersOnly(EntryPoint = "QnnInterface_getProviders", CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetProviders(QnnInterface_t*** list, uint* count)
    {
        try
        {
            lock (Gate)
            {
                s_backend ??= SoftHtpBackend.Create(SoftHtpOptions.FromEnvironment());
                return s_backend.GetProviders(list, count);
            }
        }
        catch (Exception e)
        {
            // There is no log yet that could say why.
            Console.Error.WriteLine($"libQnnSoftHtp: {e.Message}");
            return NotSupported;
        }
    }

    /// <summary><c>QnnSystemInterface_getProviders</c>: the interface that describes context binaries is in the same library.</summary>
    [UnmanagedCallersOnly(EntryPoint = "QnnSystemInterface_getProviders", CallConvs = [typeof(CallConvCdecl)])]
    static ulong GetSystemProviders(QnnSystemInterface_t*** list, uint* count)
    {
        if (list == null || count == null)
        {
            return InvalidParameter;
        }
        *list = SoftHtpBackend.SystemProviders;
        *count = SoftHtpBackend.SystemProviderCount;
        return 0;
    }
}
