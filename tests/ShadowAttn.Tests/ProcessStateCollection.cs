using Xunit;

namespace ShadowAttn.Tests;

/// <summary>Tests that read process-wide state (allocation counters, environment): they run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessStateCollection
{
    public const string Name = "process state";
}
