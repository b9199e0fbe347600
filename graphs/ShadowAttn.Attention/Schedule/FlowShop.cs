namespace ShadowAttn.Attention;

/// <summary>
/// The pipeline as a flow shop of two machines: every job (a KV head and a block of queries) goes through the NPU, then through the CPU, one job at a
/// time on each. With room for the scores of all jobs between them, the shortest of all schedules takes the jobs in the order of Johnson's rule (S. M. Johnson,
/// Optimal two- and three-stage production schedules with setup times included, 1954): first those that are faster on the NPU than on the CPU, by increasing
/// NPU time; then the others, by decreasing CPU time.
/// </summary>
public static class FlowShop
{
    /// <summary>Puts jobs in order. Equal jobs stay in the order in which they are given.</summary>
    /// <param name="schedule">By which rule.</param>
    /// <param name="jobs">The jobs; times that are not negative.</param>
    /// <param name="order">Receives the numbers of the jobs, the first one first; as many as there are jobs.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Order(HeadSchedule schedule, ReadOnlySpan<StageTimes> jobs, Span<int> order)
    {
        if (order.Length != jobs.Length)
        {
            throw new ArgumentException($"there are {jobs.Length} jobs and room for {order.Length}", nameof(order));
        }

        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        switch (schedule)
        {
            case HeadSchedule.Johnson:
                Sort(jobs, order);
                break;
            case HeadSchedule.Greedy:
                TakeLeastIdle(jobs, order);
                break;
            default:
                break;
        }
    }

    /// <summary>How long jobs take in an order.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="order">Their order on both machines.</param>
    /// <param name="slots">Room for the scores of so many jobs: the NPU begins a job when the CPU is done with the one so many places before it.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one slot.</exception>
    public static ScheduleLength Simulate(ReadOnlySpan<StageTimes> jobs, ReadOnlySpan<int> order, int slots = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 1);
        double npu = 0;
        double cpu = 0;
        double exposed = 0;
        double npuIdle = 0;

        // The ends of the last jobs on the CPU, as many as there are slots.
        int kept = Math.Min(slots, order.Length);
        Span<double> ends = kept <= 64 ? stackalloc double[kept] : new double[kept];
        for (int i = 0; i < order.Length; i++)
        {
            StageTimes job = jobs[order[i]];
            double free = i < slots ? 0 : ends[i % kept];
            npuIdle += Math.Max(0, free - npu);
            npu = Math.Max(npu, free) + job.Npu;
            exposed += Math.Max(0, npu - cpu);
            cpu = Math.Max(cpu, npu) + job.Cpu;
            ends[i % kept] = cpu;
        }

        return new ScheduleLength(cpu, exposed, npuIdle);
    }

    /// <summary>Johnson's rule, by merging: stable, and without allocation for some hundred jobs.</summary>
    private static void Sort(ReadOnlySpan<StageTimes> jobs, Span<int> order)
    {
        const int OnStack = 1024;
        Span<int> merged = order.Length <= OnStack ? stackalloc int[order.Length] : new int[order.Length];
        for (int width = 1; width < order.Length; width *= 2)
        {
            for (int start = 0; start < order.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, order.Length);
                int end = Math.Min(start + (2 * width), order.Length);
                int left = start;
                int right = middle;
                for (int i = start; i < end; i++)
                {
                    bool takeRight = left >= middle || (right < end && Precedes(jobs[order[right]], jobs[order[left]]));
                    merged[i] = takeRight ? order[right++] : order[left++];
                }
            }

            merged.CopyTo(order);
        }
    }

    private static bool Precedes(StageTimes a, StageTimes b)
    {
        bool early = a.Npu < a.Cpu;
        if (early != b.Npu < b.Cpu)
        {
            return early;
        }

        return early ? a.Npu < b.Npu : a.Cpu > b.Cpu;
    }

    /// <summary>
    /// The greedy way: the job with the shortest NPU time begins; then always the job for which the CPU waits least for its scores, of several the one whose
    /// scores wait least for the CPU.
    /// </summary>
    private static void TakeLeastIdle(ReadOnlySpan<StageTimes> jobs, Span<int> order)
    {
        double npu = 0;
        double cpu = 0;
        for (int place = 0; place < order.Length; place++)
        {
            int best = place;
            (double Idle, double Late) least = Gap(jobs[order[place]]);
            for (int i = place + 1; i < order.Length; i++)
            {
                (double Idle, double Late) gap = Gap(jobs[order[i]]);
                if (gap.CompareTo(least) < 0)
                {
                    (best, least) = (i, gap);
                }
            }

            // The others keep their order, so that equal jobs do.
            int job = order[best];
            order[place..best].CopyTo(order[(place + 1)..]);
            order[place] = job;
            npu += jobs[job].Npu;
            cpu = Math.Max(cpu, npu) + jobs[job].Cpu;
        }

        (double Idle, double Late) Gap(StageTimes job)
        {
            double wait = npu + job.Npu - cpu;
            return wait > 0 ? (wait, 0) : (0, -wait);
        }
    }
}
