using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>The profile and the signal that a client gives to a call, entered; either may be absent.</summary>
internal readonly unsafe struct Attachments : IDisposable
{
    Attachments(ProfileObject? profile, SignalObject? signal)
    {
        Profile = profile;
        Signal = signal;
    }

    internal ProfileObject? Profile { get; }

    internal SignalObject? Signal { get; }

    /// <summary>Enters both; what one of them is not fit for, with the status for it.</summary>
    internal static bool TryEnter(void* profileHandle, void* signalHandle, out Attachments attached, out ulong refused)
    {
        attached = default;
        // HTP's answer to a profile that is none.
        refused = Status.GraphInvalidArgument;
        if (!TryEnterProfile(profileHandle, out ProfileObject? profile))
        {
            return false;
        }
        SignalObject? signal = null;
        if (signalHandle != null)
        {
            bool isSignal = HandleTable.TryEnter(signalHandle, out signal);
            if (!isSignal || !signal!.TryAttach())
            {
                refused = isSignal ? Status.GraphSignalInUse : Status.GraphInvalidArgument;
                signal?.Exit();
                profile?.Exit();
                return false;
            }
        }
        attached = new Attachments(profile, signal);
        return true;
    }

    internal static bool TryEnterProfile(void* handle, out ProfileObject? profile)
    {
        profile = null;
        return handle == null || HandleTable.TryEnter(handle, out profile);
    }

    public void Dispose()
    {
        Signal?.Detach();
        Signal?.Exit();
        Profile?.Exit();
    }
}
