using ShadowAttn.Graphs;
using ShadowAttn.Interop;

namespace ShadowAttn.Attention;

/// <summary>
/// The NPU's side of the pipeline: a thread that executes submitted pilot graphs in order. At most one execution per slot is under way;
/// submitting and waiting allocate nothing.
/// </summary>
internal sealed class PilotQueue : IDisposable
{
    private readonly (PilotBinding? Binding, WorkItem Item, long Ticks)[] slots;
    private readonly Thread thread;
    private readonly object gate = new();
    private int submitted;
    private int done;
    private QnnProfile? profile;
    private TimelineRecorder? timeline;
    private Exception? failure;
    private bool stopping;

    public PilotQueue(int slotCount)
    {
        slots = new (PilotBinding?, WorkItem, long)[slotCount];
        thread = new Thread(Work) { IsBackground = true, Name = "shadowattn pilot" };
        thread.Start();
    }

    /// <summary>Ticks that the backend has been executing since <see cref="Restart"/>.</summary>
    public long BusyTicks { get; private set; }

    /// <summary>Forgets earlier executions; nothing may be under way.</summary>
    /// <param name="events">Gets the events of the executions to come; may be null.</param>
    /// <param name="recorder">Gets when they were executed; may be null.</param>
    public void Restart(QnnProfile? events, TimelineRecorder? recorder)
    {
        lock (gate)
        {
            profile = events;
            timeline = recorder;
            submitted = 0;
            done = 0;
            failure = null;
            BusyTicks = 0;
        }
    }

    /// <summary>Queues an execution; the n-th since <see cref="Restart"/> uses slot n modulo the number of slots.</summary>
    /// <param name="binding">The graph and its buffers.</param>
    /// <param name="item">What it scores.</param>
    public void Submit(PilotBinding binding, in WorkItem item)
    {
        lock (gate)
        {
            slots[submitted % slots.Length] = (binding, item, 0);
            submitted++;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits until <paramref name="count"/> executions are done. Rethrows what an execution threw.</summary>
    public void Wait(int count)
    {
        lock (gate)
        {
            while (done < count && failure is null)
            {
                Monitor.Wait(gate);
            }

            if (failure is { } first)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
            }
        }
    }

    /// <summary>Ticks that the n-th execution took; it must be done, and not the one so many places after it submitted.</summary>
    public long Ticks(int n) => slots[n % slots.Length].Ticks;

    /// <summary>Waits until nothing is under way, whatever failed.</summary>
    public void Drain()
    {
        lock (gate)
        {
            while (done < submitted && failure is null)
            {
                Monitor.Wait(gate);
            }
        }
    }

    /// <summary>Ends the thread after the execution that is under way.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            stopping = true;
            Monitor.PulseAll(gate);
        }

        thread.Join();
    }

    private void Work()
    {
        while (true)
        {
            PilotBinding next;
            WorkItem item;
            lock (gate)
            {
                while ((done == submitted || failure is not null) && !stopping)
                {
                    Monitor.Wait(gate);
                }

                if (stopping)
                {
                    return;
                }

                next = slots[done % slots.Length].Binding!;
                item = slots[done % slots.Length].Item;
            }

            Exception? error = null;
            long start = StageClock.Now;
            try
            {
                next.Execute(profile);
            }
            catch (Exception e)
            {
                error = e;
            }

            long end = StageClock.Now;
            timeline?.NpuStaged("pilot", start, end, item);
            lock (gate)
            {
                BusyTicks += end - start;
                slots[done % slots.Length].Ticks = end - start;
                failure = error;
                done++;
                Monitor.PulseAll(gate);
            }
        }
    }
}
