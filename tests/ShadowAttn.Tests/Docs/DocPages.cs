namespace ShadowAttn.Tests.Docs;

/// <summary>The pages of the repository.</summary>
internal static class DocPages
{
    private static readonly string[] NotPages = ["bin", "obj", "artifacts", "tools", "BenchmarkDotNet.Artifacts", "TestResults", ".git"];

    /// <summary>All .md files, relative to the repository; README.md alone where the tests do not lie in it.</summary>
    public static IReadOnlyList<string> All { get; } = Find();

    private static string[] Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ShadowAttn.Native.sln")))
        {
            folder = folder.Parent;
        }

        return folder is null ? ["README.md"] : [.. In(folder.FullName).Select(f => Path.GetRelativePath(folder.FullName, f).Replace('\\', '/')).Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> In(string folder) => Directory.EnumerateFiles(folder, "*.md")
        .Concat(Directory.EnumerateDirectories(folder).Where(d => !NotPages.Contains(Path.GetFileName(d))).SelectMany(In));
}
