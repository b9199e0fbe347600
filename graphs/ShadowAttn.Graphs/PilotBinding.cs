using ShadowAttn.Interop;

namespace ShadowAttn.Graphs;

/// <summary>A pilot graph with its buffers: executing it allocates nothing. Bindings of one graph do not disturb each other.</summary>
public sealed class PilotBinding : IDisposable
{
    private readonly QnnBindings bindings;
    private readonly QnnMemory[] memory;

    internal PilotBinding(QnnBindings bindings, QnnMemory[] memory)
    {
        this.bindings = bindings;
        this.memory = memory;
    }

    /// <summary>Takes the keys of a KV head; not while executing. Allocates nothing.</summary>
    /// <param name="head">Which of the graph's heads.</param>
    /// <param name="keys">What the graph's <see cref="PilotGraph.RegisterKeys"/> gave; must stay until other keys are bound.</param>
    public void BindKeys(int head, QnnMemory keys) => bindings.BindInput((2 * head) + 1, keys);

    /// <summary>Lets go of the keys of all heads.</summary>
    public void ReleaseKeys()
    {
        for (int head = 0; head < memory.Length / 2; head++)
        {
            bindings.ReleaseInput((2 * head) + 1);
        }
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
