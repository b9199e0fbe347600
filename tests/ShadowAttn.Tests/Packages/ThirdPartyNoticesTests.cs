using System.Text.Json;
using Xunit;

namespace ShadowAttn.Tests.Packages;

public sealed class ThirdPartyNoticesTests
{
    /// <summary>Every restored package is in THIRD-PARTY-NOTICES.md by its name or by the family that it belongs to.</summary>
    [Theory]
    [InlineData("bench/ShadowAttn.Cli")]
    [InlineData("tests/ShadowAttn.Tests")]
    public void Every_package_is_named(string project)
    {
        string root = Repository.RootOrSkip();
        string assets = Path.Combine(root, project, "obj", "project.assets.json");
        Assert.SkipUnless(File.Exists(assets), $"{project} was not restored here");
        string[] named =
        [
            .. File.ReadLines(Path.Combine(root, "THIRD-PARTY-NOTICES.md")).Where(l => l.StartsWith("| ", StringComparison.Ordinal))
                .SelectMany(l => l.Split('|')[1].Replace(" and their NativeAssets", "", StringComparison.Ordinal).Split(',', StringSplitOptions.TrimEntries))
                .Select(n => n.Split(" (")[0]),
        ];
        using JsonDocument restored = JsonDocument.Parse(File.ReadAllBytes(assets));
        string[] packages =
        [
            .. restored.RootElement.GetProperty("libraries").EnumerateObject()
                .Where(l => l.Value.GetProperty("type").GetString() == "package").Select(l => l.Name.Split('/')[0]),
        ];
        Assert.InRange(packages.Length, 10, int.MaxValue);
        Assert.All(packages, p => Assert.Contains(named, n => p == n || p.StartsWith(n + '.', StringComparison.Ordinal)));
    }
}
