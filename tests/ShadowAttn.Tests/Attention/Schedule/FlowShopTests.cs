using CsCheck;
using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention.Schedule;

public sealed class FlowShopTests
{
    // Small whole numbers: equal times are frequent, and sums are exact.
    private static readonly Gen<StageTimes> s_job = Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], (npu, cpu) => new StageTimes(npu, cpu));

    [Fact]
    public void JohnsonIsTheBestOfAllPermutations() => s_job.Array[1, 7].Sample(
        jobs =>
        {
            double best = Permutations(jobs.Length).Min(order => FlowShop.Simulate(jobs, order).Makespan);
            Assert.Equal(best, Length(HeadSchedule.Johnson, jobs).Makespan);
        },
        iter: Emulation.IsEmulated ? 10 : 60);

    [Fact]
    public void JohnsonIsNeverWorseThanTheOthers() => s_job.Array[0, 40].Sample(jobs =>
    {
        ScheduleLength johnson = Length(HeadSchedule.Johnson, jobs);
        foreach (HeadSchedule other in new[] { HeadSchedule.Greedy, HeadSchedule.Fifo })
        {
            ScheduleLength length = Length(other, jobs);
            Assert.True(johnson.Makespan <= length.Makespan, $"{johnson} against {other}: {length}");
            Assert.True(johnson.Exposed <= length.Exposed, $"{johnson} against {other}: {length}");
        }
    });

    [Fact]
    public void EveryOrderIsAPermutationAndItsLengthAddsUp() =>
        Gen.Select(s_job.Array[0, 30], Gen.Enum<HeadSchedule>(), Gen.Int[1, 5]).Sample((jobs, schedule, slots) =>
        {
            int[] order = new int[jobs.Length];
            FlowShop.Order(schedule, jobs, order);
            Assert.Equal(Enumerable.Range(0, jobs.Length), order.Order());
            ScheduleLength length = FlowShop.Simulate(jobs, order, slots);
            double cpu = jobs.Sum(j => j.Cpu);
            double npu = jobs.Sum(j => j.Npu);
            Assert.Equal(cpu + length.Exposed, length.Makespan);
            Assert.True(length.Makespan >= Math.Max(cpu, npu));
            Assert.True(length.Makespan <= cpu + npu);
            Assert.True(length.Makespan >= FlowShop.Simulate(jobs, order, slots + 1).Makespan, "more room does no harm");
            if (slots == 1)
            {
                Assert.Equal(cpu + npu, length.Makespan);
            }
        });

    [Fact]
    public void AnExampleByHand()
    {
        StageTimes[] jobs = [new(5, 2), new(1, 6), new(9, 7), new(3, 8), new(10, 4)];
        int[] order = new int[5];
        FlowShop.Order(HeadSchedule.Johnson, jobs, order);
        Assert.Equal([1, 3, 2, 4, 0], order);
        Assert.Equal(new ScheduleLength(30, 3, 0), FlowShop.Simulate(jobs, order));
        FlowShop.Order(HeadSchedule.Greedy, jobs, order);
        Assert.Equal([1, 0, 3, 2, 4], order);
        FlowShop.Order(HeadSchedule.Fifo, jobs, order);
        Assert.Equal([0, 1, 2, 3, 4], order);
        Assert.Throws<ArgumentException>(() => FlowShop.Order(HeadSchedule.Johnson, jobs, new int[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => FlowShop.Simulate(jobs, order, 0));
    }

    [Fact]
    public void EqualJobsStayInTheirOrder()
    {
        StageTimes[] jobs = [.. Enumerable.Range(0, 20).Select(i => new StageTimes(i % 2, 3 - (i % 2)))];
        int[] order = new int[20];
        foreach (HeadSchedule schedule in Enum.GetValues<HeadSchedule>())
        {
            FlowShop.Order(schedule, jobs, order);
            Assert.Equal(order.Where(i => i % 2 == 0).Order(), order.Where(i => i % 2 == 0));
            Assert.Equal(order.Where(i => i % 2 == 1).Order(), order.Where(i => i % 2 == 1));
        }
    }

    private static ScheduleLength Length(HeadSchedule schedule, StageTimes[] jobs)
    {
        int[] order = new int[jobs.Length];
        FlowShop.Order(schedule, jobs, order);
        return FlowShop.Simulate(jobs, order);
    }

    private static IEnumerable<int[]> Permutations(int count)
    {
        if (count == 0)
        {
            yield return [];
            yield break;
        }

        foreach (int[] shorter in Permutations(count - 1))
        {
            for (int place = 0; place < count; place++)
            {
                yield return [.. shorter[..place], count - 1, .. shorter[place..]];
            }
        }
    }
}
