namespace ShadowAttn.Native;

/// <summary>A failure with its code; does not leave the library.</summary>
internal sealed class SaException(SaStatus status, string message) : Exception(message)
{
    public SaStatus Status { get; } = status;

    public static SaException Argument(string message) => new(SaStatus.Argument, message);

    public static SaException Null(string name) => Argument($"{name} is null");
}
