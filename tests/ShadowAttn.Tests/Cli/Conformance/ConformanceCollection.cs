using Xunit;

namespace ShadowAttn.Tests.Cli.Conformance;

/// <summary>Runs of the conformance suite in this process, one after the other: they count a backend's log lines in one place.</summary>
[CollectionDefinition(Name)]
public sealed class ConformanceCollection
{
    public const string Name = "conformance";
}
