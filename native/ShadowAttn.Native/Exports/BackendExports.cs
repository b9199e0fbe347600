using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Interop;

namespace ShadowAttn.Native;

internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_backend_open", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus BackendOpen(byte* path, SaBackendOptions* options, nint* backend)
    {
        try
        {
            Clear(backend, nameof(backend));
            const int FirstBytes = 24;
            SaBackendOptions given = SizedStruct.Read(options, FirstBytes, nameof(options));
            *backend = HandleTable.Add(new BackendObject(Utf8.Read(path, nameof(path)), given));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_backend_open");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_backend_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus BackendFree(nint backend)
    {
        try
        {
            HandleTable.Free<BackendObject>(backend, nameof(backend));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_backend_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_backend_describe", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus BackendDescribe(nint backend, byte* text, nuint capacity, nuint* required)
    {
        try
        {
            if (text == null && capacity > 0)
            {
                throw SaException.Null(nameof(text));
            }

            using Hold<BackendObject> hold = HandleTable.Acquire<BackendObject>(backend, nameof(backend));
            QnnBackend open = hold.Target.Backend;
            string description = $"{open.ProviderName} {open.ApiVersion}";
            if (capacity > 0)
            {
                var room = new Span<byte>(text, (int)Math.Min(capacity, 4096));
                room[Utf8.Write(description, room)] = 0;
            }

            if (required != null)
            {
                *required = (nuint)System.Text.Encoding.UTF8.GetByteCount(description) + 1;
            }
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_backend_describe");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_workers_create", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus WorkersCreate(uint threads, nint* workers)
    {
        try
        {
            Clear(workers, nameof(workers));
            if (threads > Attention.AttentionOptions.MaxThreads)
            {
                throw SaException.Argument($"threads is {threads}; it must be at most {Attention.AttentionOptions.MaxThreads}");
            }

            *workers = HandleTable.Add(new WorkersObject((int)threads));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_workers_create");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_workers_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus WorkersFree(nint workers)
    {
        try
        {
            HandleTable.Free<WorkersObject>(workers, nameof(workers));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_workers_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cancellation_create", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CancellationCreate(nint* cancellation)
    {
        try
        {
            Clear(cancellation, nameof(cancellation));
            *cancellation = HandleTable.Add(new CancellationObject());
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cancellation_create");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cancellation_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CancellationFree(nint cancellation)
    {
        try
        {
            HandleTable.Free<CancellationObject>(cancellation, nameof(cancellation));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cancellation_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cancellation_request", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CancellationRequest(nint cancellation)
    {
        try
        {
            using Hold<CancellationObject> hold = HandleTable.Acquire<CancellationObject>(cancellation, nameof(cancellation));
            hold.Target.Request();
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cancellation_request");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_cancellation_reset", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus CancellationReset(nint cancellation)
    {
        try
        {
            using Hold<CancellationObject> hold = HandleTable.Acquire<CancellationObject>(cancellation, nameof(cancellation));
            hold.Target.Reset();
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_cancellation_reset");
        }
    }
}
