using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;
using ShadowAttn.SoftHtp.Table;

namespace ShadowAttn.SoftHtp.Execution;

/// <summary>
/// Executions that a client does not wait for: one thread per context runs them in order and notifies. What is left when the context
/// is freed is notified as aborted.
/// </summary>
internal sealed unsafe class AsyncQueue
{
    readonly object _bell = new();
    readonly Queue<Job> _jobs = new();
    Thread? _thread;
    bool _stop;

    /// <summary>One execution with its own copy of the client's tensor structs, and entries into what it uses.</summary>
    internal sealed class Job(
        GraphObject graph,
        GraphPlan plan,
        Qnn_Tensor_t[] inputs,
        Qnn_Tensor_t[] outputs,
        ProfileObject? profile,
        SignalObject? signal,
        delegate* unmanaged[Cdecl]<void*, Qnn_NotifyStatus_t, void> notify,
        void* notifyParameter)
    {
        internal void Run(bool aborted)
        {
            ulong status = Status.GraphAborted;
            try
            {
                if (!aborted)
                {
                    fixed (Qnn_Tensor_t* ins = inputs, outs = outputs)
                    {
                        status = GraphExecution.Run(graph, plan, ins, (uint)inputs.Length, outs, (uint)outputs.Length, profile, signal);
                    }
                }
            }
            catch (Exception e)
            {
                status = Failure.Of(e);
            }
            signal?.Detach();
            signal?.Exit();
            profile?.Exit();
            if (notify != null)
            {
                notify(notifyParameter, new Qnn_NotifyStatus_t { error = status });
            }
            graph.Exit();
        }
    }

    /// <summary>Queues a job, which then owns its entries; false when <paramref name="depth"/> jobs wait already or the queue has ended.</summary>
    internal bool TryAdd(Job job, int depth)
    {
        lock (_bell)
        {
            if (_stop || _jobs.Count >= depth)
            {
                return false;
            }
            _jobs.Enqueue(job);
            if (_thread is null)
            {
                _thread = new Thread(Work, 512 * 1024) { IsBackground = true, Name = "SoftHtp async" };
                _thread.Start();
            }
            Monitor.Pulse(_bell);
            return true;
        }
    }

    /// <summary>Aborts what waits and ends the thread; waits for it unless called on it.</summary>
    internal void End()
    {
        lock (_bell)
        {
            _stop = true;
            Monitor.Pulse(_bell);
        }
        if (_thread is not null && _thread != Thread.CurrentThread)
        {
            _thread.Join();
        }
    }

    void Work()
    {
        while (true)
        {
            Job? job;
            bool aborted;
            lock (_bell)
            {
                while (!_jobs.TryDequeue(out job))
                {
                    if (_stop)
                    {
                        return;
                    }
                    Monitor.Wait(_bell);
                }
                aborted = _stop;
            }
            job.Run(aborted);
        }
    }
}
