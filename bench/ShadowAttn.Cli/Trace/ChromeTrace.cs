using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ShadowAttn.Attention;

namespace ShadowAttn.Cli.Trace;

/// <summary>
/// The Trace Event Format (JSON object form) that Perfetto and Chrome read: complete events <c>"ph": "X"</c> in microseconds from the start of the
/// call, and metadata events that name processes (stages) and threads (lanes).
/// </summary>
internal static class ChromeTrace
{
    private const int CpuProcess = 1;
    private const int NpuProcess = 2;

    /// <summary>Writes a call.</summary>
    /// <param name="stream">Receives UTF-8.</param>
    /// <param name="call">The call.</param>
    /// <param name="mode">How attention was computed.</param>
    /// <param name="input">The input's name.</param>
    public static void Write(Stream stream, RecordedCall call, string mode, string input)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        WriteOtherData(json, call, mode, input);
        json.WriteStartArray("traceEvents");
        foreach (int process in call.Lanes.Select(Process).Distinct())
        {
            WriteName(json, "process_name", process, 0, process == CpuProcess ? "CPU" : "NPU");
            WriteIndex(json, "process_sort_index", process, 0, process);
        }

        foreach (TimelineLane lane in call.Lanes)
        {
            WriteName(json, "thread_name", Process(lane), Thread(lane), lane.Name);
            WriteIndex(json, "thread_sort_index", Process(lane), Thread(lane), Thread(lane));
            foreach (TimelineEvent e in lane.Events)
            {
                WriteEvent(json, lane, e, call.StartTicks);
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>What an event is called: the operator, then heads and rows as far as they are known.</summary>
    public static string NameOf(TimelineEvent e)
    {
        WorkItem item = e.Item;
        string head = item switch
        {
            { Head: >= 0 } => string.Create(CultureInfo.InvariantCulture, $" h{item.Head}"),
            { KvHead: >= 0 } => string.Create(CultureInfo.InvariantCulture, $" kv{item.KvHead}"),
            _ => string.Empty,
        };
        string rows = item.Count > 0
            ? string.Create(CultureInfo.InvariantCulture, $" {(item.OfKeys ? 'k' : 'q')}{item.First}-{item.First + item.Count - 1}")
            : string.Empty;
        return $"{e.Name}{head}{rows}";
    }

    private static int Process(TimelineLane lane) => lane.Device == "npu" ? NpuProcess : CpuProcess;

    private static int Thread(TimelineLane lane) => lane.Worker + 1;

    private static double Microseconds(long ticks) => Math.Round(ticks * (1e6 / Stopwatch.Frequency), 3);

    private static void WriteOtherData(Utf8JsonWriter json, RecordedCall call, string mode, string input)
    {
        json.WriteStartObject("otherData");
        json.WriteString("mode", mode);
        json.WriteString("input", input);
        json.WriteNumber("threads", call.Threads);
        json.WriteNumber("total_ms", call.TotalMs);
        json.WriteNumber("exposed_estimate_ms", call.ExposedMs);
        json.WriteNumber("dropped_events", call.Dropped);
        json.WriteStartArray("operators");
        foreach (OperatorTime time in call.Operators)
        {
            json.WriteStartObject();
            json.WriteString("name", time.Name);
            json.WriteString("device", time.Device);
            json.WriteNumber("ms", time.Milliseconds);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteName(Utf8JsonWriter json, string kind, int process, int thread, string name)
    {
        WriteMetadata(json, kind, process, thread);
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteIndex(Utf8JsonWriter json, string kind, int process, int thread, int index)
    {
        WriteMetadata(json, kind, process, thread);
        json.WriteNumber("sort_index", index);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteMetadata(Utf8JsonWriter json, string kind, int process, int thread)
    {
        json.WriteStartObject();
        json.WriteString("name", kind);
        json.WriteString("ph", "M");
        json.WriteNumber("pid", process);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
    }

    private static void WriteEvent(Utf8JsonWriter json, TimelineLane lane, TimelineEvent e, long origin)
    {
        double start = Microseconds(e.StartTicks - origin);
        json.WriteStartObject();
        json.WriteString("name", NameOf(e));
        json.WriteString("cat", e.Name);
        json.WriteString("ph", "X");
        json.WriteNumber("ts", start);
        json.WriteNumber("dur", Math.Round(Microseconds(e.EndTicks - origin) - start, 3));
        json.WriteNumber("pid", Process(lane));
        json.WriteNumber("tid", Thread(lane));
        if (e.Name == "wait")
        {
            // Chrome's palette: red, for time in which the CPU does nothing.
            json.WriteString("cname", "terrible");
        }

        WriteArguments(json, e.Item);
        json.WriteEndObject();
    }

    private static void WriteArguments(Utf8JsonWriter json, WorkItem item)
    {
        if (item.KvHead < 0)
        {
            return;
        }

        json.WriteStartObject("args");
        json.WriteNumber("kv_head", item.KvHead);
        if (item.Head >= 0)
        {
            json.WriteNumber("head", item.Head);
        }

        if (item.Count > 0)
        {
            json.WriteNumber(item.OfKeys ? "first_key" : "first_query", item.First);
            json.WriteNumber(item.OfKeys ? "keys" : "queries", item.Count);
        }

        json.WriteEndObject();
    }
}
