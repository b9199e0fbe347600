using ShadowAttn.Interop;
using ShadowAttn.Tests.Interop.Fake;
using Xunit;

namespace ShadowAttn.Tests.Interop.Profiling;

[Collection("fake provider")]
public sealed class QnnProfileTests
{
    [Fact]
    public void Events_become_records_with_their_nodes()
    {
        using var fake = new FakeProvider();
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);
        using QnnProfile profile = backend.CreateProfile(QnnProfileLevel.Detailed);

        IReadOnlyList<QnnProfileRecord> records = profile.Read();

        Assert.Contains("profileCreate 2", fake.Calls);
        QnnProfileRecord execute = Assert.Single(records);
        Assert.Equal("execute: 120 Microseconds", execute.ToString());
        Assert.False(execute.IsNode);
        Assert.Equal(["node 'MatMul_0': 2000 Cycles", "node 'MatMul_0': 3000 Cycles"], execute.Events.Select(node => node.ToString()));
        Assert.All(execute.Events, node => Assert.True(node.IsNode));
    }

    [Fact]
    public void A_backend_that_does_not_profile_says_so()
    {
        using var fake = new FakeProvider(missing: "profileGetEvents");
        using QnnLibrary library = fake.Library();
        using var backend = QnnBackend.Open(library);

        var e = Assert.Throws<QnnNotSupportedException>(() => backend.CreateProfile(QnnProfileLevel.Basic));

        Assert.Equal("The backend 'fake' (HTP_FAKE with core API 2.32.0) has no profileGetEvents.", e.Message);
    }
}
