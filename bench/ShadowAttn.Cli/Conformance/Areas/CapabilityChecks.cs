using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>What a backend says it can do, and whether it then does.</summary>
internal static unsafe class CapabilityChecks
{
    private const ulong UnknownProperty = 2000;
    private const uint ProbeBytes = 4096;

    public static void Run(CheckRun run)
    {
        run.Check("answers yes, no or unknown", Answers);
        run.Check("composes, executes and caches graphs", Needed);
        run.Check("signals as announced", Signals);
        run.Check("asynchronous execution as announced", Async);
        run.Check("shared memory as announced", Memory);
    }

    /// <summary>Whether a backend says yes.</summary>
    public static bool Has(RawClient client, int property) => client.Table.propertyHasCapability((uint)property) == Expect.Success;

    private static Verdict Answers(RawClient client)
    {
        int yes = 0;
        int no = 0;
        int unknown = 0;
        for (uint key = 1; key < 2100; key++)
        {
            ulong status = client.Table.propertyHasCapability(key);
            Expect.Status($"propertyHasCapability of {key}", [Expect.Success, Expect.NotSupported, UnknownProperty], status);
            yes += status == Expect.Success ? 1 : 0;
            no += status == Expect.NotSupported ? 1 : 0;
            unknown += status == UnknownProperty ? 1 : 0;
        }

        Expect.Status("propertyHasCapability of 9999, which is none", UnknownProperty, client.Table.propertyHasCapability(9999));
        Expect.That(yes > 0, "propertyHasCapability: expected some capability, actual none");
        return Verdict.Pass($"{yes} yes, {no} no, {unknown} unknown");
    }

    private static Verdict Needed(RawClient client)
    {
        foreach ((int property, string name) in (ReadOnlySpan<(int, string)>)
        [
            (QnnApi.QNN_PROPERTY_BACKEND_SUPPORT_COMPOSITION, nameof(QnnApi.QNN_PROPERTY_BACKEND_SUPPORT_COMPOSITION)),
            (QnnApi.QNN_PROPERTY_CONTEXT_SUPPORT_CACHING, nameof(QnnApi.QNN_PROPERTY_CONTEXT_SUPPORT_CACHING)),
            (QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE, nameof(QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_EXECUTE)),
        ])
        {
            Expect.OkOrNotOffered($"propertyHasCapability of {name}", client.Table.propertyHasCapability((uint)property));
        }

        return Verdict.Pass();
    }

    private static Verdict Signals(RawClient client)
    {
        bool isAnnounced = Has(client, QnnApi.QNN_PROPERTY_GROUP_SIGNAL);
        ulong status = Expect.NotSupported;
        if (client.Table.signalCreate != null)
        {
            void* signal = null;
            status = client.Table.signalCreate(client.Backend, null, &signal);
            if (status == Expect.Success)
            {
                client.Table.signalFree(signal);
            }
        }

        return Compare("QNN_PROPERTY_GROUP_SIGNAL", "signalCreate", isAnnounced, status,
            "HTP's simulator announces signals and has none");
    }

    private static Verdict Async(RawClient client)
    {
        bool isAnnounced = Has(client, QnnApi.QNN_PROPERTY_GRAPH_SUPPORT_ASYNC_EXECUTION);
        ulong status = Expect.NotSupported;
        if (client.Table.graphExecuteAsync != null)
        {
            RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
            status = AsyncChecks.ExecuteAndWait(client, pilot);
        }

        return Compare("QNN_PROPERTY_GRAPH_SUPPORT_ASYNC_EXECUTION", "graphExecuteAsync", isAnnounced, status, null);
    }

    private static Verdict Memory(RawClient client)
    {
        bool isAnnounced = Has(client, QnnApi.QNN_PROPERTY_MEMORY_SUPPORT_MEM_TYPE_ION);
        using var shared = SharedMemory.Allocate(client, ProbeBytes);
        ulong status = shared.TryRegister(client.Context, ProbeBytes, out void* handle);
        if (status == Expect.Success)
        {
            client.Table.memDeRegister(&handle, 1);
        }

        return Compare("QNN_PROPERTY_MEMORY_SUPPORT_MEM_TYPE_ION", "memRegister", isAnnounced, status, MemoryChecks.SimulatorHasNone);
    }

    private static Verdict Compare(string property, string call, bool isAnnounced, ulong status, string? knownDifference)
    {
        if (isAnnounced && status == Expect.NotSupported && knownDifference is not null)
        {
            return Verdict.Pass($"{property} yes, {call} says {Expect.Name(status)}", knownDifference);
        }

        Expect.Status($"{call} with {property} {(isAnnounced ? "yes" : "no")}", isAnnounced ? Expect.Success : Expect.NotSupported, status);
        return Verdict.Pass(isAnnounced ? "announced and there" : "not announced and not there");
    }
}
