using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Contexts: handles and options.</summary>
internal static unsafe class ContextChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("handles", Handles);
        run.Check("many, one after the other", Many);
        run.Check("refuses to create into null", IntoNull);
        run.CheckLibrary("priorities", Priorities);
    }

    private static Verdict Handles(RawClient client)
    {
        void* first = client.CreateContext();
        void* second = client.CreateContext();
        Expect.That(first != second, "contextCreate: expected two handles, actual one twice");
        // A graph of one does not show in the other.
        MatMulChecks.Pilot(client, first, 1, "pilot");
        void* graph = null;
        Expect.Status("graphRetrieve of another context's graph", 6003, client.Table.graphRetrieve(second, client.Memory.Text("pilot"), &graph));
        Expect.Ok("contextFree", client.FreeContext(first));
        Expect.Ok("graphCreate after another context was freed", client.CreateGraph(second, "pilot", out _));
        Expect.Ok("contextFree", client.FreeContext(second));
        return Verdict.Pass();
    }

    private static Verdict Many(RawClient client)
    {
        const int count = 20;
        for (int i = 0; i < count; i++)
        {
            void* context = client.CreateContext();
            Expect.Ok("graphCreate", client.CreateGraph(context, "graph", out _));
            Expect.Ok("contextFree", client.FreeContext(context));
        }

        return Verdict.Pass($"{count} contexts");
    }

    private static Verdict IntoNull(RawClient client)
    {
        Expect.Status("contextCreate into null", 5000, client.Table.contextCreate(client.Backend, client.Device, null, null));
        return Verdict.Pass();
    }

    private static Verdict Priorities(QnnLibrary library)
    {
        using QnnBackend backend = QnnBackend.Open(library, new QnnBackendOptions { LogLevel = QnnLogLevel.Error });
        foreach (QnnPriority priority in Enum.GetValues<QnnPriority>())
        {
            using QnnContext context = backend.CreateContext(new QnnContextOptions { Priority = priority });
        }

        return Verdict.Pass(string.Join(", ", Enum.GetValues<QnnPriority>()));
    }
}
