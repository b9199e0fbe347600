using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Logs: handles, lines and levels.</summary>
internal static unsafe class LogChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("handles", Handles);
        run.Check("a failed call logs a line", Lines);
        run.Check("no line above the level", Level);
        run.Check("refuses levels that do not exist", WrongLevels);
    }

    private static void RequireLog(RawClient client)
    {
        RawClient.RequireOffered(client.Table.logCreate, "logCreate");
        RawClient.RequireOffered(client.Table.logFree, "logFree");
        RawClient.RequireOffered(client.Table.logSetLogLevel, "logSetLogLevel");
    }

    private static void* Create(RawClient client, QnnLog_Level_t level)
    {
        void* log = null;
        Expect.Ok("logCreate", client.Table.logCreate(&RawLog.Count, level, &log));
        Expect.That(log != null, "logCreate: expected a handle, actual success with null");
        return log;
    }

    private static Verdict Handles(RawClient client)
    {
        RequireLog(client);
        void* first = Create(client, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR);
        void* second = Create(client, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR);
        Expect.That(first != second, "logCreate: expected two handles, actual one twice");
        Expect.Ok("logFree", client.Table.logFree(second));
        Expect.Ok("logFree", client.Table.logFree(first));
        return Verdict.Pass();
    }

    // A backend of its own on the counting log, and a call that fails.
    private static int LinesOfAFailure(RawClient client, void* log)
    {
        void* backend = null;
        void* context = null;
        RawLog.Reset();
        Expect.Ok("backendCreate", client.Table.backendCreate(log, null, &backend));
        try
        {
            Expect.Ok("contextCreate", client.Table.contextCreate(backend, client.Device, null, &context));
            Expect.Ok("graphCreate", client.CreateGraph(context, "twice", out _));
            Expect.Refusal("graphCreate of the same name", client.CreateGraph(context, "twice", out _));
            return RawLog.Lines;
        }
        finally
        {
            if (context != null)
            {
                client.Table.contextFree(context, null);
            }

            client.Table.backendFree(backend);
        }
    }

    private static Verdict Lines(RawClient client)
    {
        RequireLog(client);
        void* log = Create(client, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR);
        try
        {
            int lines = LinesOfAFailure(client, log);
            Expect.That(lines > 0, "lines of a graphCreate that fails: expected at least 1, actual 0");
            return Verdict.Pass($"{lines} lines");
        }
        finally
        {
            client.Table.logFree(log);
        }
    }

    private static Verdict Level(RawClient client)
    {
        RequireLog(client);
        void* log = Create(client, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR);
        try
        {
            LinesOfAFailure(client, log);
            Expect.That(RawLog.Lowest <= (int)QnnLog_Level_t.QNN_LOG_LEVEL_ERROR,
                $"lines at level error: expected none above level 1, actual one of level {RawLog.Lowest}");
            Expect.Ok("logSetLogLevel", client.Table.logSetLogLevel(log, QnnLog_Level_t.QNN_LOG_LEVEL_WARN));
            LinesOfAFailure(client, log);
            Expect.That(RawLog.Lowest <= (int)QnnLog_Level_t.QNN_LOG_LEVEL_WARN,
                $"lines at level warn: expected none above level 2, actual one of level {RawLog.Lowest}");
            Expect.Ok("logSetLogLevel", client.Table.logSetLogLevel(log, QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG));
            int lines = LinesOfAFailure(client, log);
            return Verdict.Pass($"{lines} lines at level debug, the least important of level {RawLog.Lowest}");
        }
        finally
        {
            client.Table.logFree(log);
        }
    }

    private static Verdict WrongLevels(RawClient client)
    {
        RequireLog(client);
        void* log = null;
        Expect.Status("logCreate with level 99", 11003, client.Table.logCreate(&RawLog.Count, (QnnLog_Level_t)99, &log));
        log = Create(client, QnnLog_Level_t.QNN_LOG_LEVEL_ERROR);
        ulong status = client.Table.logSetLogLevel(log, (QnnLog_Level_t)77);
        Expect.Ok("logFree", client.Table.logFree(log));
        Expect.Status("logSetLogLevel with level 77", 11003, status);
        return Verdict.Pass("99 and 77");
    }
}
