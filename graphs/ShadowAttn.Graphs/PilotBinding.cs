using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>A pilot graph with its three buffers: executing it allocates nothing. Bindings of one graph do not disturb each other.</summary>
public sealed class PilotBinding : IDisposable
{
    private readonly QnnBindings bindings;
    private readonly QnnMemory[] memory;

    internal PilotBinding(QnnBindings bindings, QnnMemory[] memory)
    {
        this.bindings = bindings;
        this.memory = memory;
    }

    /// <summary>Scores the bound queries against the bound keys.</summary>
    /// <param name="profile">Gets the events of this execution; may be null.</param>
    /// <exception cref="QnnException">The backend reports an error.</exception>
    public void Execute(QnnProfile? profile = null) => bindings.Execute(profile);

    /// <inheritdoc/>
    public void Dispose()
    {
        bindings.Dispose();
        foreach (QnnMemory registration in memory)
        {
            registration.Dispose();
        }
    }
}
