using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Slots of the error area: statuses as text.</summary>
internal static unsafe class ErrorCalls
{
    static readonly Lazy<Dictionary<ulong, nint>> Messages = new(BuildMessages);

    /// <summary>Verbose messages that clients hold.</summary>
    static readonly ConcurrentDictionary<nint, byte> Handed = new();

    internal static ulong GetMessage(SoftHtpInstance? instance, ulong status, sbyte** message)
    {
        try
        {
            CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.ErrorGetMessage) ?? default;
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (message == null)
            {
                return Status.ErrorInvalidArgument;
            }
            if (!Messages.Value.TryGetValue(status, out nint text))
            {
                *message = null;
                return Status.ErrorInvalidHandle;
            }
            *message = fault.NullResult ? null : (sbyte*)text;
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong GetVerboseMessage(SoftHtpInstance? instance, ulong status, sbyte** message)
    {
        try
        {
            CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.ErrorGetVerboseMessage) ?? default;
            if (fault.Fails)
            {
                return fault.Code;
            }
            if (message == null)
            {
                return Status.ErrorInvalidArgument;
            }
            *message = null;
            if (!Messages.Value.TryGetValue(status, out nint text))
            {
                return Status.ErrorInvalidHandle;
            }
            if (!fault.NullResult)
            {
                nint copy = (nint)Copy($"{Marshal.PtrToStringUTF8(text)} ({status}); the log has the reason");
                Handed.TryAdd(copy, 0);
                *message = (sbyte*)copy;
            }
            return Status.Success;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    internal static ulong FreeVerboseMessage(SoftHtpInstance? instance, sbyte* message)
    {
        try
        {
            CallGate.Outcome fault = instance?.Gate.Enter(QnnCall.ErrorFreeVerboseMessage) ?? default;
            if (message == null || !Handed.TryRemove((nint)message, out _))
            {
                return Status.ErrorInvalidArgument;
            }
            NativeMemory.Free(message);
            return fault.Code;
        }
        catch (Exception e)
        {
            return Failure.Of(e);
        }
    }

    static Dictionary<ulong, nint> BuildMessages()
    {
        var messages = new Dictionary<ulong, nint> { [0] = (nint)Copy("QNN_SUCCESS") };
        Add<QnnCommon_Error_t>(messages);
        Add<QnnProperty_Error_t>(messages);
        Add<QnnOpPackage_Error_t>(messages);
        Add<QnnBackend_Error_t>(messages);
        Add<QnnContext_Error_t>(messages);
        Add<QnnGraph_Error_t>(messages);
        Add<QnnTensor_Error_t>(messages);
        Add<QnnMem_Error_t>(messages);
        Add<QnnSignal_Error_t>(messages);
        Add<QnnError_Error_t>(messages);
        Add<QnnLog_Error_t>(messages);
        Add<QnnProfile_Error_t>(messages);
        Add<QnnHtpPerfInfrastructure_Error_t>(messages);
        Add<QnnDevice_Error_t>(messages);
        Add<QnnGlobalConfig_Error_t>(messages);
        Add<QnnSystemContext_Error_t>(messages);
        return messages;
    }

    static void Add<T>(Dictionary<ulong, nint> messages)
        where T : struct, Enum
    {
        foreach (string name in Enum.GetNames<T>())
        {
            // Bounds of a range are no statuses; where a bound and a status share a value the status has the name.
            bool isStatus = !name.Contains("_MIN", StringComparison.Ordinal) && !name.Contains("_MAX", StringComparison.Ordinal)
                && !name.Contains("UNDEFINED", StringComparison.Ordinal);
            ulong value = Convert.ToUInt64(Enum.Parse<T>(name), System.Globalization.CultureInfo.InvariantCulture);
            if (isStatus && !messages.ContainsKey(value))
            {
                messages.Add(value, (nint)Copy(name));
            }
        }
    }

    static byte* Copy(string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        byte* copy = (byte*)NativeMemory.Alloc((nuint)bytes + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(copy, bytes));
        copy[bytes] = 0;
        return copy;
    }
}
