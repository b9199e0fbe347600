using System.Diagnostics;

namespace ShadowAttn.Graphs;

/// <summary>
/// Locks between processes: a few files in the cache's folder, locked by the operating system and so released when a process dies. They are
/// never deleted, because a deleted lock file could be locked twice.
/// </summary>
internal sealed class CacheLocks(string folder)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Takes the lock that a key falls under; null when it cannot be had in time or at all.</summary>
    public IDisposable? Take(string key, TimeSpan wait)
    {
        long start = Stopwatch.GetTimestamp();
        string path = Path.Combine(folder, $".lock-{key[0]}");
        do
        {
            try
            {
                Directory.CreateDirectory(folder);
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
            }
            catch (UnauthorizedAccessException)
            {
                return null;
            }
            catch (IOException) when (!File.Exists(path))
            {
                return null;
            }
            catch (IOException)
            {
                Thread.Sleep(Pause);
            }
        }
        while (Stopwatch.GetElapsedTime(start) < wait);

        return null;
    }
}
