using Xunit;

namespace ShadowAttn.Tests.Bench;

/// <summary>
/// The checked-in counts meet the goals; and, where `dotnet cake --target=bench-arm64 --output=FILE` has counted what is built now (it takes an
/// emulator and a cross compiler, see .ci/run), no kernel has more instructions than checked in.
/// </summary>
public class InstructionCountTests
{
    private const string FileVariable = "SHADOWATTN_TEST_ARM64_COUNTS";
    private const double Tolerance = 0.02;

    private static readonly InstructionCounts s_checkedIn =
        InstructionCounts.Read(Path.Combine(AppContext.BaseDirectory, "data", "arm64-instructions.json"));

    public static TheoryData<string> WithYardstick => [.. s_checkedIn.Operators.Where(o => o.Value.C is not null).Select(o => o.Key)];

    [Fact]
    public void NoKernelHasGrown()
    {
        string? path = Environment.GetEnvironmentVariable(FileVariable);
        Assert.SkipUnless(
            path is not null, $"{FileVariable} does not name the output of `dotnet cake --target=bench-arm64 --output=FILE`, which needs qemu-user and clang");
        IReadOnlyList<string> regressions = s_checkedIn.Regressions(InstructionCounts.Read(path!), Tolerance);

        Assert.True(
            regressions.Count == 0,
            $"{string.Join('\n', regressions)}\nif that is meant, check in what `dotnet cake --target=bench-arm64` writes");
    }

    [Theory]
    [MemberData(nameof(WithYardstick))]
    public void KernelsAreNearTheirCVersions(string name)
    {
        OperatorCount count = s_checkedIn.Operators[name];

        Assert.InRange(count.Instructions, 1, (long)(1.1 * count.C!.Value));
    }

    [Theory]
    [InlineData("A select + gather", 31_000_000)]
    [InlineData("B select + gather", 44_000_000)]
    [InlineData("A the same with the Dp pilot", 43_000_000)]
    [InlineData("B the same with the Dp pilot", 63_000_000)]
    [InlineData("A dense", 90_000_000)]
    [InlineData("B dense", 145_000_000)]
    public void StagesMeetTheirGoals(string stage, long goal) => Assert.InRange(s_checkedIn.Stages[stage], 1, goal);

    [Fact]
    public void GrowthBeyondTheToleranceAndMissingCountsAreNamed()
    {
        InstructionCounts before = Counts(("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000));
        InstructionCounts after = Counts(("a", 1020), ("b", 1021), ("c", 900), ("e", 5));

        Assert.Equal(["b: 1000 instructions have become 1021, 2.1 % more", "d: no longer counted"], before.Regressions(after, Tolerance));
    }

    private static InstructionCounts Counts(params (string Name, long Count)[] counts) =>
        new(counts.ToDictionary(c => c.Name, c => new OperatorCount(c.Count, null)), new Dictionary<string, long>());
}
