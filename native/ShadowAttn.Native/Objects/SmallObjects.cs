using ShadowAttn.Attention;

namespace ShadowAttn.Native;

/// <summary>Threads that attentions share.</summary>
internal sealed class WorkersObject(int threads) : SharedObject
{
    public override string Kind => "workers";

    public AttentionWorkers Workers { get; } = new(threads);

    /// <inheritdoc/>
    protected override void Destroy() => Workers.Dispose();
}

/// <summary>A calibration profile.</summary>
internal sealed class ProfileObject(CalibrationProfile profile) : SharedObject
{
    public override string Kind => "profile";

    public CalibrationProfile Profile { get; } = profile;

    /// <summary>Reads a profile.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="SaException">It is no profile.</exception>
    public static ProfileObject Parse(ReadOnlySpan<byte> json, string name)
    {
        try
        {
            return new ProfileObject(CalibrationProfile.Parse(json));
        }
        catch (FormatException e)
        {
            throw new SaException(SaStatus.Format, $"{name} {e.Message}");
        }
    }

    /// <summary>Reads a profile's file.</summary>
    /// <exception cref="SaException">There is no such file, or it is no profile.</exception>
    public static ProfileObject Load(string path)
    {
        byte[] json;
        try
        {
            json = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new SaException(SaStatus.File, $"the profile '{path}' cannot be read: {e.Message.ReplaceLineEndings(" ")}");
        }

        return Parse(json, $"'{path}'");
    }

    /// <inheritdoc/>
    protected override void Destroy()
    {
    }
}

/// <summary>A wish to stop that any thread can have.</summary>
internal sealed class CancellationObject : SharedObject
{
    private volatile CancellationTokenSource source = new();

    public override string Kind => "cancellation";

    public CancellationToken Token => source.Token;

    public void Request() => source.Cancel();

    /// <summary>Calls that have the old token stay cancelled.</summary>
    public void Reset() => source = new CancellationTokenSource();

    // Sources without timers hold nothing that must be freed, and a token of a disposed one would throw.
    /// <inheritdoc/>
    protected override void Destroy()
    {
    }
}
