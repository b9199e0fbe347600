using ShadowAttn.Attention;
using ShadowAttn.Graphs;
using ShadowAttn.Interop;
using ShadowAttn.Memory;
using ShadowAttn.SoftHtp;
using Xunit;

namespace ShadowAttn.Tests.Attention;

/// <summary>
/// Every call that a run makes to its backend fails at its first time, at its second, or returns nothing: the run says so in one clear error or
/// goes on without what it can do without, gives everything back, and the next run works.
/// </summary>
[Collection(ProcessStateCollection.Name)]
public sealed class BackendFaultTests
{
    /// <summary>A code of no area that QNN has, so that messages cannot be right by accident.</summary>
    private const ulong Code = 4242;

    /// <summary>Without these a run can go on: logs, caches, shared memory, and what is freed.</summary>
    private static readonly string[] s_dispensable = ["Log", "log", "Free", "DeRegister", "memRegister", "Binary", "Retrieve", "propert", "getPlatform", "GetPlatform", "GetBuildId", "getBuildId"];

    [Fact]
    public void EveryFaultEndsInAClearErrorAndLeavesNothingBehind()
    {
        string[] calls = CallsOfARun();
        Assert.Contains("graphExecute", calls);
        Assert.InRange(calls.Length, 12, 80);
        foreach (string call in calls)
        {
            foreach (Fault fault in new[] { Fault.Fail(call, 1, Code), Fault.Fail(call, 2, Code), Fault.Null(call, 1) })
            {
                Check(fault);
            }
        }
    }

    [Fact]
    public void ALateAnswerIsWaitedFor()
    {
        using AttentionCase data = Data();
        float[] expected = data.Compute(data.Options);
        using SoftHtpBackend soft = SoftHtpBackend.Create(
            new SoftHtpOptions { Threads = 1, Faults = [Fault.Delay("graphExecute", 2, 50_000_000)] });
        Assert.Equal(expected, Run(soft, data, null));
    }

    private static AttentionCase Data() => new(2, 1, 300, 300, 16, seed: 12);

    /// <summary>The calls that a cold and a warm run make.</summary>
    private static string[] CallsOfARun()
    {
        using AttentionCase data = Data();
        using var folder = new TemporaryFolder();
        using SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1 });
        float[] cold = Run(soft, data, folder);
        float[] warm = Run(soft, data, folder);
        Assert.Equal(cold, warm);
        Assert.Equal(data.Compute(data.Options), cold);
        Assert.Equal(0, soft.LiveHandles.Total);
        return [.. SoftHtpBackend.CallNames.Where(name => soft.CallCount(name) > 0)];
    }

    private static void Check(Fault fault)
    {
        using AttentionCase data = Data();
        using var folder = new TemporaryFolder();
        float[] expected = data.Compute(data.Options);
        LiveAllocations memory = UnmanagedBuffer.Live;
        int descriptors = OpenDescriptors();
        using (SoftHtpBackend soft = SoftHtpBackend.Create(new SoftHtpOptions { Threads = 1, Faults = [fault] }))
        {
            // The faults of a cold run strike the first time, those of a warm one the second.
            for (int run = 0; run < 2; run++)
            {
                try
                {
                    Assert.Equal(expected, Run(soft, data, folder));
                }
                catch (QnnException e)
                {
                    Assert.False(s_dispensable.Any(d => fault.Call.Contains(d, StringComparison.Ordinal)), $"{fault}: {e.Message}");
                    Assert.DoesNotContain('\n', e.Message);

                    // Where nothing came back, it may be the next call that says so.
                    bool names = e.Message.Contains(fault.Call, StringComparison.Ordinal) && e.Message.Contains("4242", StringComparison.Ordinal);
                    Assert.True(names || fault.Effect == FaultEffect.NullResult, $"{fault}: {e.Message}");
                }

                Assert.True(soft.LiveHandles.Total == 0, $"{fault}: {soft.LiveHandles}");
                Assert.True(UnmanagedBuffer.Live == memory, $"{fault}: {UnmanagedBuffer.Live} instead of {memory}");
            }

            Assert.Equal(expected, Run(soft, data, folder));
        }

        Assert.True(OpenDescriptors() <= descriptors, $"{fault}: {OpenDescriptors()} open files, {descriptors} before");
    }

    private static float[] Run(SoftHtpBackend soft, AttentionCase data, TemporaryFolder? folder)
    {
        using QnnLibrary library = soft.CreateLibrary();
        using QnnBackend backend = QnnBackend.Open(library);
        using var attention = new ShadowAttention(
            backend,
            data.Options with { Mode = AttentionMode.Shadow },
            new PilotOptions { Cache = folder is null ? null : new ContextCache(folder.Path) });
        attention.Compute(data.Q, data.K, data.V, data.O);
        return data.Output();
    }

    private static int OpenDescriptors() => OperatingSystem.IsLinux() ? Directory.GetFiles("/proc/self/fd").Length : 0;
}
