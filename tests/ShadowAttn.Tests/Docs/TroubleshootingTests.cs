using System.Text.RegularExpressions;
using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Docs;

public sealed partial class TroubleshootingTests
{
    /// <summary>The page's tables have the statuses that the library has a remedy for, in the library's own words, and no others.</summary>
    [Fact]
    public void The_statuses_are_those_of_the_library()
    {
        string[] page = File.ReadAllLines(Path.Combine(Repository.RootOrSkip(), "docs", "troubleshooting.md"));
        string[] rows = [.. page.Where(l => Row().IsMatch(l))];
        string[] expected =
        [
            .. QnnStatus.KnownCodes.Select(QnnStatus.FromCode).Where(s => s.Remedy.Length > 0).Select(s => $"| {s.Code} | `{s.Name}` | {s.Cause} | {s.Remedy} |"),
        ];
        Assert.InRange(expected.Length, 60, int.MaxValue);
        Assert.Equal(expected, rows);
    }

    [Fact]
    public void Every_area_has_the_statuses_of_its_range()
    {
        string area = "";
        foreach (string line in File.ReadLines(Path.Combine(Repository.RootOrSkip(), "docs", "troubleshooting.md")))
        {
            if (line.StartsWith("### ", StringComparison.Ordinal))
            {
                area = line.Split('(')[1].TrimEnd(')');
            }
            else if (Row().Match(line) is { Success: true } row)
            {
                Assert.Equal(area, QnnStatus.FromCode(ulong.Parse(row.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).Area);
            }
        }
    }

    [GeneratedRegex(@"^\| ([0-9]+) \| `")]
    private static partial Regex Row();
}
