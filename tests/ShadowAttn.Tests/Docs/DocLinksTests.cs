using System.Text.RegularExpressions;
using Xunit;

namespace ShadowAttn.Tests.Docs;

public sealed partial class DocLinksTests
{
    [Fact]
    public void Relative_links_lead_to_files_and_headings_that_are_there()
    {
        string root = Repository.RootOrSkip();
        List<string> broken = [];
        int links = 0;
        foreach (string page in DocPages.All)
        {
            string folder = Path.GetDirectoryName(Path.Combine(root, page))!;
            foreach (Match match in Link().Matches(WithoutCode(File.ReadAllText(Path.Combine(root, page)))))
            {
                string[] parts = match.Groups[1].Value.Split('#');
                if (parts[0].Contains("://", StringComparison.Ordinal) || parts[0].StartsWith("mailto:", StringComparison.Ordinal))
                {
                    continue;
                }

                links++;
                string target = parts[0].Length == 0 ? Path.Combine(root, page) : Path.GetFullPath(Path.Combine(folder, parts[0]));
                bool isThere = File.Exists(target) || Directory.Exists(target);
                if (!isThere || (parts.Length == 2 && !Headings(target).Contains(parts[1])))
                {
                    broken.Add($"{page}: {match.Groups[1].Value}");
                }
            }
        }

        Assert.InRange(links, 30, int.MaxValue);
        Assert.True(broken.Count == 0, string.Join('\n', broken));
    }

    [Fact]
    public void The_index_and_the_readme_have_every_page()
    {
        string root = Repository.RootOrSkip();
        string index = File.ReadAllText(Path.Combine(root, "docs", "README.md")), readme = File.ReadAllText(Path.Combine(root, "README.md"));
        foreach (string page in DocPages.All.Where(p => p.StartsWith("docs/", StringComparison.Ordinal) && p != "docs/README.md"))
        {
            Assert.True(index.Contains($"]({page["docs/".Length..]})", StringComparison.Ordinal), $"docs/README.md does not list {page}");
            Assert.True(readme.Contains($"]({page})", StringComparison.Ordinal), $"README.md does not list {page}");
        }
    }

    private static string WithoutCode(string text) => Code().Replace(text, "");

    /// <summary>A page's headings as links name them: lower case, without punctuation, spaces as hyphens.</summary>
    private static HashSet<string> Headings(string page) =>
    [
        .. File.ReadLines(page).Where(l => l.StartsWith('#')).Select(l => NotInAnchors().Replace(l.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-')),
    ];

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("```.*?```|`[^`\n]*`", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NotInAnchors();
}
