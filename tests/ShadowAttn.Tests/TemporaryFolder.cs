namespace ShadowAttn.Tests;

/// <summary>An empty folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("shadowattn-test-");

    public string Path => folder.FullName;

    public void Dispose() => folder.Delete(recursive: true);
}
