namespace ShadowAttn.Attention;

/// <summary>One mode's way from Q, K and V to O for one shape: buffers, graphs and jobs are made once, calls allocate nothing.</summary>
internal interface IAttentionPipeline : IDisposable
{
    /// <summary>Computes the bound call.</summary>
    void Run();

    /// <summary>What the last call counted and how long its operators took.</summary>
    void Report(AttentionReport report);

    /// <summary>What the stages are called in the report.</summary>
    string[] StageNames => Attention.StageNames.Pilot;

    /// <summary>Lets go of what was made for a cache.</summary>
    void Forget(KvCache cache)
    {
    }
}
