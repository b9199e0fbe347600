using ShadowAttn.Cli;
using ShadowAttn.Cli.Files;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class OutputFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_appear_whole()
    {
        string path = _folder.File("out");
        OutputFile.Check(path);
        Assert.Empty(Directory.GetFiles(_folder.Path));
        OutputFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            stream.Flush();
            Assert.False(File.Exists(path));
        });
        Assert.Equal([1], File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void When_writing_fails_the_old_file_stays_and_nothing_else_does()
    {
        string path = _folder.Write("out", [1, 2, 3]);
        Assert.Throws<InvalidOperationException>(() => OutputFile.Write(path, stream =>
        {
            stream.Write(new byte[100_000]);
            throw new InvalidOperationException("a defect");
        }));
        string message = Assert.Throws<InputException>(() => OutputFile.Write(path, _ => throw new IOException("disk full"))).Message;
        Assert.Equal($"{path}: cannot be written: disk full", message);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void Paths_where_no_file_can_be_written_are_refused()
    {
        AssertRefused(_folder.Path, "is a folder");
        AssertRefused(_folder.File("new") + Path.DirectorySeparatorChar, "is a folder");
        AssertRefused(_folder.File(Path.Combine("no", "such", "file")), "there is no folder");
        AssertRefused("", "is no name of an output file");
        AssertRefused("a\0b", "is no name of an output file");
        AssertRefused(Path.Combine(_folder.Write("file", [1]), "below"), "there is no folder");
    }

    [Fact]
    public void Devices_and_folders_without_permission_are_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /dev and /sys");
        AssertRefused("/dev/null", "is no ordinary file");
        AssertRefused("/sys/out", "cannot be written");
    }

    private static void AssertRefused(string path, string reason)
    {
        Assert.Contains(reason, Assert.Throws<InputException>(() => OutputFile.Check(path)).Message, StringComparison.Ordinal);
        Assert.Contains(reason, Assert.Throws<InputException>(() => OutputFile.Write(path, _ => { })).Message, StringComparison.Ordinal);
    }
}
