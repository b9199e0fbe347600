using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>
/// Handles that were freed, are null or were never given out. Only what HTP is known to answer with a status; other backends may follow a
/// handle as a pointer, so they are not asked.
/// </summary>
internal static unsafe class HandleChecks
{
    private const ulong InvalidBackend = 4011;
    private const ulong InvalidContext = 5002;
    private const ulong InvalidGraph = 6001;
    private const ulong InvalidProfile = 12000;
    private const ulong InvalidDevice = 14000;

    public static void Run(CheckRun run)
    {
        Check(run, "contextFree twice", ContextTwice);
        Check(run, "backendFree twice", BackendTwice);
        Check(run, "deviceFree twice", DeviceTwice);
        Check(run, "logFree twice", LogTwice);
        Check(run, "profileFree twice", ProfileTwice);
        Check(run, "graph of a freed context", GraphOfFreedContext);
        Check(run, "null", Nulls);
        Check(run, "never given out", MadeUp);
    }

    private static void Check(CheckRun run, string name, Func<RawClient, Verdict> body) => run.Check(name, client => run.IsHtp
        ? body(client)
        : Verdict.NotSupported("not tried: only HTP is known to look handles up"));

    private static Verdict ContextTwice(RawClient client)
    {
        void* context = client.CreateContext();
        Expect.Ok("contextFree", client.FreeContext(context));
        Expect.Status("contextFree again", InvalidContext, client.Table.contextFree(context, null));
        return Verdict.Pass(Expect.Name(InvalidContext));
    }

    private static Verdict BackendTwice(RawClient client)
    {
        void* backend = null;
        Expect.Ok("backendCreate", client.Table.backendCreate(client.Log, null, &backend));
        Expect.Ok("backendFree", client.Table.backendFree(backend));
        Expect.Status("backendFree again", InvalidBackend, client.Table.backendFree(backend));
        return Verdict.Pass(Expect.Name(InvalidBackend));
    }

    private static Verdict DeviceTwice(RawClient client)
    {
        void* device = null;
        Expect.Ok("deviceCreate", client.Table.deviceCreate(client.Log, null, &device));
        Expect.Ok("deviceFree", client.Table.deviceFree(device));
        Expect.Status("deviceFree again", InvalidDevice, client.Table.deviceFree(device));
        return Verdict.Pass(Expect.Name(InvalidDevice));
    }

    private static Verdict LogTwice(RawClient client)
    {
        RawClient.RequireOffered(client.Table.logCreate, "logCreate");
        RawClient.RequireOffered(client.Table.logFree, "logFree");
        void* log = null;
        Expect.Ok("logCreate", client.Table.logCreate(&RawLog.Ignore, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR, &log));
        Expect.Ok("logFree", client.Table.logFree(log));
        ulong status = client.Table.logFree(log);
        Expect.Status("logFree again", [11003, 11004], status);
        return Verdict.Pass(Expect.Name(status));
    }

    private static Verdict ProfileTwice(RawClient client)
    {
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        Expect.Ok("profileFree", client.FreeProfile(profile));
        Expect.Status("profileFree again", InvalidProfile, client.Table.profileFree(profile));
        return Verdict.Pass(Expect.Name(InvalidProfile));
    }

    private static Verdict GraphOfFreedContext(RawClient client)
    {
        void* context = client.CreateContext();
        RawGraph pilot = MatMulChecks.Pilot(client, context, 1);
        Expect.Ok("contextFree", client.FreeContext(context));
        Expect.Status("graphExecute", InvalidGraph, pilot.TryExecute());
        return Verdict.Pass(Expect.Name(InvalidGraph));
    }

    private static Verdict Nulls(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        void* made = null;
        ulong bytes = 0;
        Expect.Status("contextCreate on a null backend", InvalidContext, client.Table.contextCreate(null, client.Device, null, &made));
        Expect.Status("contextFree", InvalidContext, client.Table.contextFree(null, null));
        Expect.Status("contextGetBinarySize", InvalidContext, client.Table.contextGetBinarySize(null, &bytes));
        Expect.Status("graphCreate in a null context", InvalidGraph, client.CreateGraph(null, "graph", out _));
        Expect.Status("graphExecute", InvalidGraph, new RawGraph(client, client.Context, null, "null").TryExecute([.. pilot.Inputs], [.. pilot.Outputs]));
        Expect.Status("backendValidateOpConfig", InvalidBackend,
            client.Table.backendValidateOpConfig(null, pilot.Node("MatMul", [.. pilot.Inputs], [.. pilot.Outputs])));
        return Verdict.Pass("6 calls");
    }

    private static Verdict MadeUp(RawClient client)
    {
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        void* madeUp = (void*)0x4242;
        void* made = null;
        ulong bytes = 0;
        Expect.Status("contextCreate on a backend", InvalidContext, client.Table.contextCreate(madeUp, client.Device, null, &made));
        Expect.Status("contextCreate on a device", InvalidContext, client.Table.contextCreate(client.Backend, madeUp, null, &made));
        Expect.Status("contextFree", InvalidContext, client.Table.contextFree(madeUp, null));
        Expect.Status("contextGetBinarySize", InvalidContext, client.Table.contextGetBinarySize(madeUp, &bytes));
        Expect.Status("graphExecute", InvalidGraph, new RawGraph(client, client.Context, madeUp, "").TryExecute([.. pilot.Inputs], [.. pilot.Outputs]));
        Expect.Status("backendValidateOpConfig", InvalidBackend,
            client.Table.backendValidateOpConfig(madeUp, pilot.Node("MatMul", [.. pilot.Inputs], [.. pilot.Outputs])));
        Expect.Status("backendCreate on a log", 4004, client.Table.backendCreate(madeUp, null, &made));
        if (client.Table.profileFree != null)
        {
            Expect.Status("profileFree", InvalidProfile, client.Table.profileFree(madeUp));
        }

        return Verdict.Pass("8 calls");
    }
}
