using Xunit;

namespace ShadowAttn.Tests;

/// <summary>The folder that the tests were built in.</summary>
internal static class Repository
{
    /// <summary>The root of the repository that the test program lies in; skips the test where it lies elsewhere.</summary>
    public static string RootOrSkip()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ShadowAttn.Native.sln")))
        {
            folder = folder.Parent;
        }

        Assert.SkipWhen(folder is null, "the tests do not lie in the repository");
        return folder!.FullName;
    }
}
