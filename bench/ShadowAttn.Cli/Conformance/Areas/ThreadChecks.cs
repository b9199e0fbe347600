using ShadowAttn.Cli.Conformance.Raw;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Calls from several threads give the results that they give alone.</summary>
internal static unsafe class ThreadChecks
{
    public static void Run(CheckRun run)
    {
        run.Check("one graph executed by 8 threads", OneGraph);
        run.Check("a context for each of 4 threads", OwnContexts);
        run.Check("graphs composed by 4 threads in contexts of their own", Composing);
    }

    private static Verdict OneGraph(RawClient client)
    {
        const int threads = 8;
        const int executions = 12;
        RawGraph pilot = MatMulChecks.Pilot(client, client.Context, 1);
        RawGraph[] runs = new RawGraph[threads];
        for (int i = 0; i < threads; i++)
        {
            runs[i] = pilot.As(pilot.Context, pilot.Handle);
            runs[i].Rebind(1000 * i);
        }

        Together(threads, thread => Execute(runs[thread], thread, executions));
        return Verdict.Pass($"{threads * executions} executions");
    }

    private static Verdict OwnContexts(RawClient client)
    {
        const int threads = 4;
        const int executions = 12;
        RawGraph[] runs = new RawGraph[threads];
        for (int i = 0; i < threads; i++)
        {
            runs[i] = MatMulChecks.Pilot(client, client.CreateContext(), 1000 * i, "pilot");
        }

        Together(threads, thread => Execute(runs[thread], thread, executions));
        return Verdict.Pass($"{threads * executions} executions");
    }

    private static Verdict Composing(RawClient client)
    {
        const int threads = 4;
        const int graphs = 3;
        nint[] contexts = new nint[threads];
        for (int i = 0; i < threads; i++)
        {
            contexts[i] = (nint)client.CreateContext();
        }

        Together(threads, thread =>
        {
            for (int i = 0; i < graphs; i++)
            {
                Execute(MatMulChecks.Pilot(client, (void*)contexts[thread], 1000 * thread + 10 * i, $"pilot{i}"), thread, 1);
            }
        });
        return Verdict.Pass($"{threads * graphs} graphs");
    }

    private static void Execute(RawGraph graph, int thread, int times)
    {
        for (int i = 0; i < times; i++)
        {
            RawGraph.Contents(graph.Outputs[0]).Clear();
            graph.Execute();
            MatMulChecks.PilotIsExact(graph, $"thread {thread}, execution {i}");
        }
    }

    private static void Together(int count, Action<int> body)
    {
        var failures = new Exception?[count];
        using var start = new Barrier(count);
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                start.SignalAndWait();
                body(i);
            }
            catch (Exception e)
            {
                failures[i] = e;
            }
        }))];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        if (Array.Find(failures, failure => failure is not null) is { } first)
        {
            throw first is CheckFailedException ? first : new CheckFailedException($"{first.GetType().Name}: {first.Message}");
        }
    }
}
