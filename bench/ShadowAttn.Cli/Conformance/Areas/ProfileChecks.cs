using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Cli.Conformance.Reference;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Profiling events at both levels.</summary>
internal static unsafe class ProfileChecks
{
    private const int MostLevels = 8;

    public static void Run(CheckRun run)
    {
        run.Check("finalize", client => OfCall(client, QnnApi.QNN_PROFILE_LEVEL_BASIC, QnnApi.QNN_PROFILE_EVENTTYPE_FINALIZE, "finalize"));
        run.Check("execute, basic", Basic);
        run.Check("execute, detailed: events of the nodes", Detailed);
        run.Check("loading a binary", LoadBinary);
        run.Check("nothing before the first call", Empty);
        run.Check("a call's events only", OneCall);
        run.Check("unknown events", Unknown);
        run.Check("extended events", Extended);
    }

    private sealed record Event(uint Type, uint Unit, ulong Value, string Identifier, int Depth);

    private static List<Event> Read(RawClient client, void* profile)
    {
        RawClient.RequireOffered(client.Table.profileGetEvents, "profileGetEvents");
        RawClient.RequireOffered(client.Table.profileGetEventData, "profileGetEventData");
        ulong* ids = null;
        uint count = 0;
        Expect.Ok("profileGetEvents", client.Table.profileGetEvents(profile, &ids, &count));
        var events = new List<Event>();
        Read(client, ids, count, 0, events);
        return events;
    }

    private static void Read(RawClient client, ulong* ids, uint count, int depth, List<Event> events)
    {
        Expect.That(count == 0 || ids != null, $"events: expected {count}, actual null");
        Expect.That(depth < MostLevels, $"events: expected a few levels, actual {depth} and more");
        for (uint i = 0; i < count; i++)
        {
            QnnProfile_EventData_t data = default;
            Expect.Ok("profileGetEventData", client.Table.profileGetEventData(ids[i], &data));
            events.Add(new Event(data.type, data.unit, data.value, Marshal.PtrToStringUTF8((nint)data.identifier) ?? "", depth));
            if (client.Table.profileGetSubEvents != null)
            {
                ulong* children = null;
                uint childCount = 0;
                Expect.Ok("profileGetSubEvents", client.Table.profileGetSubEvents(ids[i], &children, &childCount));
                Read(client, children, childCount, depth + 1, events);
            }
        }
    }

    private static Event TimeOf(List<Event> events, int type, string call)
    {
        Event? found = events.Find(e => e.Type == type);
        Expect.That(found is not null, $"events of {call}: expected one of type {type}, actual types {string.Join(", ", events.Select(e => e.Type))}");
        Expect.Equal($"unit of {call}", (uint)QnnApi.QNN_PROFILE_EVENTUNIT_MICROSEC, found!.Unit);
        return found;
    }

    private static Verdict OfCall(RawClient client, int level, int type, string call)
    {
        void* profile = client.CreateProfile((uint)level);
        RawGraph graph = Unfinalized(client);
        graph.Finalized(profile);
        Event time = TimeOf(Read(client, profile), type, call);
        return Verdict.Pass($"{time.Value} us");
    }

    private static RawGraph Unfinalized(RawClient client)
    {
        RawGraph graph = client.Graph(client.Context, "profiled");
        var operand = new Operand(QnnDataType.SFixed8, [1, 4, 64, 64], 1);
        Qnn_Tensor_t[] inputs = [graph.Input(operand.Filled(1)), graph.Input(operand.Filled(2))];
        graph.Add("MatMul", inputs, [graph.Output(operand with { Scale = 1024 })]);
        return graph;
    }

    private static Verdict Basic(RawClient client)
    {
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        RawGraph graph = Unfinalized(client).Finalized();
        graph.Execute(profile);
        List<Event> events = Read(client, profile);
        Event time = TimeOf(events, QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE, "execute");
        Expect.That(time.Value > 0, "time of execute: expected more than 0 us, actual 0");
        Expect.That(events.TrueForAll(e => e.Type != QnnApi.QNN_PROFILE_EVENTTYPE_NODE), "events at level basic: expected none of nodes, actual some");
        return Verdict.Pass($"{time.Value} us, {events.Count} events");
    }

    private static Verdict Detailed(RawClient client)
    {
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_DETAILED);
        RawGraph graph = Unfinalized(client).Finalized();
        graph.Execute(profile);
        List<Event> events = Read(client, profile);
        TimeOf(events, QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE, "execute");
        Event[] nodes = [.. events.Where(e => e.Type == QnnApi.QNN_PROFILE_EVENTTYPE_NODE)];
        Expect.That(nodes.Length > 0, "events at level detailed: expected some of nodes (type 404), actual none");
        Event? node = Array.Find(nodes, e => e.Identifier.Contains("profiled_node0", StringComparison.Ordinal));
        Expect.That(node is not null, $"events of nodes: expected profiled_node0, actual {string.Join(", ", nodes.Select(e => e.Identifier))}");
        Expect.That(node!.Value > 0, "value of profiled_node0: expected more than 0, actual 0");
        return Verdict.Pass($"{nodes.Length} events of nodes; '{node.Identifier}': {node.Value} {(node.Unit == QnnApi.QNN_PROFILE_EVENTUNIT_CYCLES ? "cycles" : "")}");
    }

    private static Verdict LoadBinary(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextCreateFromBinary, "contextCreateFromBinary");
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        MatMulChecks.Pilot(client, client.Context, 1);
        ulong bytes = 0;
        ulong written = 0;
        Expect.OkOrNotOffered("contextGetBinarySize", client.Table.contextGetBinarySize(client.Context, &bytes));
        byte* binary = client.Memory.Allocate(checked((int)bytes));
        Expect.Ok("contextGetBinary", client.Table.contextGetBinary(client.Context, binary, bytes, &written));
        void* context = null;
        Expect.Ok("contextCreateFromBinary", client.Table.contextCreateFromBinary(client.Backend, client.Device, null, binary, written, &context, profile));
        Expect.Ok("contextFree", client.Table.contextFree(context, null));
        Event time = TimeOf(Read(client, profile), QnnApi.QNN_PROFILE_EVENTTYPE_INIT, "contextCreateFromBinary");
        return Verdict.Pass($"{time.Value} us");
    }

    private static Verdict Empty(RawClient client)
    {
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_DETAILED);
        Expect.Equal("events of a new profile", 0, Read(client, profile).Count);
        return Verdict.Pass();
    }

    private static Verdict OneCall(RawClient client)
    {
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        RawGraph graph = Unfinalized(client);
        graph.Finalized(profile);
        for (int i = 0; i < 3; i++)
        {
            graph.Execute(profile);
            List<Event> events = Read(client, profile);
            Expect.Equal($"events of type execute after execution {i}", 1, events.Count(e => e.Type == QnnApi.QNN_PROFILE_EVENTTYPE_EXECUTE));
            Expect.Equal($"events of type finalize after execution {i}", 0, events.Count(e => e.Type == QnnApi.QNN_PROFILE_EVENTTYPE_FINALIZE));
        }

        return Verdict.Pass("the last call's");
    }

    private static Verdict Extended(RawClient client)
    {
        RawClient.RequireOffered(client.Table.profileGetExtendedEventData, "profileGetExtendedEventData");
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        Unfinalized(client).Finalized().Execute(profile);
        ulong* ids = null;
        uint count = 0;
        Expect.Ok("profileGetEvents", client.Table.profileGetEvents(profile, &ids, &count));
        Expect.That(count > 0, "events of execute: expected some, actual none");
        for (uint i = 0; i < count; i++)
        {
            QnnProfile_EventData_t data = default;
            QnnProfile_ExtendedEventData_t extended = default;
            Expect.Ok("profileGetEventData", client.Table.profileGetEventData(ids[i], &data));
            Expect.OkOrNotOffered("profileGetExtendedEventData", client.Table.profileGetExtendedEventData(ids[i], &extended));
            Expect.Equal("version of the data", QnnProfile_ExtendedEventDataVersion_t.QNN_PROFILE_DATA_VERSION_1, extended.version);
            Expect.Equal("type of the event", data.type, extended.Anonymous.v1.type);
        }

        return Verdict.Pass($"{count} events");
    }

    private static Verdict Unknown(RawClient client)
    {
        client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_BASIC);
        RawClient.RequireOffered(client.Table.profileGetEventData, "profileGetEventData");
        QnnProfile_EventData_t data = default;
        Expect.Refusal("profileGetEventData of event 12345", client.Table.profileGetEventData(12345, &data));
        return Verdict.Pass();
    }
}
