namespace ShadowAttn.Attention;

/// <summary>The order of a stage's units: by the times that they took in the last calls.</summary>
internal sealed class UnitSchedule
{
    /// <summary>After the first calls times change little: the order is looked at again only so often.</summary>
    private const int CallsPerOrder = 16;

    /// <summary>What the times of the newest call weigh against those of all before.</summary>
    private const double NewestWeight = 0.25;

    private readonly HeadSchedule rule;
    private readonly StageTimes[] times;
    private readonly int[] order;
    private readonly int[] asTheyCome;
    private bool watched;

    public UnitSchedule(HeadSchedule rule, int units)
    {
        this.rule = rule;
        times = new StageTimes[units];
        order = [.. Enumerable.Range(0, units)];
        asTheyCome = [.. order];
    }

    /// <summary>Calls that are complete.</summary>
    public int Calls { get; private set; }

    /// <summary>How long the units took, in ticks.</summary>
    public ReadOnlySpan<StageTimes> Times => times;

    /// <summary>The order of the call.</summary>
    public ReadOnlySpan<int> Order => watched ? asTheyCome : order;

    /// <summary>Begins a call.</summary>
    /// <param name="headByHead">Whether somebody waits for heads: then units are taken as they come.</param>
    public void Begin(bool headByHead)
    {
        watched = headByHead;
        if (Calls > 0 && (Calls < 4 || Calls % CallsPerOrder == 0))
        {
            FlowShop.Order(rule, times, order);
        }
    }

    /// <summary>How long a unit took. The first call's times give way to the second's: it compiles code and touches fresh memory.</summary>
    public void Took(int unit, long npuTicks, long cpuTicks)
    {
        double weight = Calls < 2 ? 1 : NewestWeight;
        times[unit] = new StageTimes(
            (weight * npuTicks) + ((1 - weight) * times[unit].Npu), (weight * cpuTicks) + ((1 - weight) * times[unit].Cpu));
    }

    /// <summary>Ends a call that was not cancelled.</summary>
    public void End() => Calls++;
}
