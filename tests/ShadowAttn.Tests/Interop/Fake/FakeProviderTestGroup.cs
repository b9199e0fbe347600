using Xunit;

namespace ShadowAttn.Tests.Interop.Fake;

/// <summary>The fake provider's functions find it in a static field: its tests run one after the other.</summary>
[CollectionDefinition("fake provider")]
public sealed class FakeProviderTestGroup;
