namespace ShadowAttn.Cli.Terminal;

/// <summary>Ctrl+C as a cancellation, for commands that have something to put in order before they end. A second one ends the process.</summary>
internal sealed class CancelKey : IDisposable
{
    private readonly CancellationTokenSource source;

    /// <summary>Listens from now on.</summary>
    /// <param name="other">Cancels as well.</param>
    public CancelKey(CancellationToken other)
    {
        source = CancellationTokenSource.CreateLinkedTokenSource(other);
        Console.CancelKeyPress += Cancel;
    }

    /// <summary>Cancelled by the key.</summary>
    public CancellationToken Token => source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        Console.CancelKeyPress -= Cancel;
        source.Dispose();
    }

    private void Cancel(object? sender, ConsoleCancelEventArgs e)
    {
        e.Cancel = !source.IsCancellationRequested;
        source.Cancel();
    }
}
