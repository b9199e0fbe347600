using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ShadowAttn.Graphs;

/// <summary>One file of a <see cref="ContextCache"/>.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="LastUsed">When it was last read or written.</param>
/// <param name="Description">What it holds; empty when it is not whole.</param>
/// <param name="Problem">Why it will not be used; null when it is whole.</param>
public sealed record ContextCacheEntry(string Path, long Bytes, DateTime LastUsed, string Description, string? Problem);

/// <summary>
/// Finalised contexts on disk. Entries are written to a temporary file and renamed, carry a checksum, and are found by the hash of all that they
/// depend on; whatever is stale, truncated or corrupt is removed and said so. Several processes may use one folder at once. A folder that cannot
/// be used turns the cache off and never fails a run.
/// </summary>
public sealed class ContextCache
{
    /// <summary>The environment variable that names the cache's folder.</summary>
    public const string FolderVariable = "SHADOWATTN_CACHE";

    /// <summary>The size that the folder is kept below unless told otherwise: 256 MiB.</summary>
    public const long DefaultMaxBytes = 256L << 20;

    private readonly ILogger log;
    private readonly CacheLocks locks;

    /// <summary>A cache in a folder, which is created when it is first written to.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="maxBytes">Entries used longest ago are removed above this.</param>
    /// <param name="logger">Told what was rebuilt and why.</param>
    /// <exception cref="ArgumentException">The folder's name is empty, or the limit is not positive.</exception>
    public ContextCache(string folder, long maxBytes = DefaultMaxBytes, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        Folder = Path.GetFullPath(folder);
        MaxBytes = maxBytes;
        log = logger ?? NullLogger.Instance;
        locks = new CacheLocks(Folder);
    }

    /// <summary>The folder used when none is given: <c>SHADOWATTN_CACHE</c>, or <c>shadowattn/contexts</c> in the user's cache folder.</summary>
    public static string DefaultFolder
    {
        get
        {
            if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } given)
            {
                return given;
            }

            string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            string root = OperatingSystem.IsWindows()
                ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : string.IsNullOrEmpty(xdg) ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache") : xdg;
            return Path.Combine(root, "shadowattn", "contexts");
        }
    }

    /// <summary>The cache's folder.</summary>
    public string Folder { get; }

    /// <summary>The size that the folder is kept below.</summary>
    public long MaxBytes { get; }

    /// <summary>Takes the lock of one description, so that processes that start together compile it one after the other.</summary>
    /// <param name="description">What the entry depends on.</param>
    /// <param name="wait">How long to wait; afterwards work goes on without the lock.</param>
    /// <returns>To be disposed; null when the lock could not be had, which harms nothing but time.</returns>
    public IDisposable? Lock(string description, TimeSpan wait) => locks.Take(CacheEntry.Key(description), wait);

    /// <summary>The file of a description, whether it is there or not.</summary>
    /// <param name="description">What the entry depends on.</param>
    public string EntryPath(string description) => Path.Combine(Folder, CacheEntry.Key(description) + CacheEntry.Extension);

    /// <summary>The backend's binary of a description.</summary>
    /// <param name="description">What the entry depends on.</param>
    /// <returns>Null when there is none, or none that is whole; what is broken is removed.</returns>
    public ReadOnlyMemory<byte>? TryRead(string description)
    {
        string path = EntryPath(description);
        try
        {
            if (!File.Exists(path))
            {
                return null;
            }

            byte[] bytes = File.ReadAllBytes(path);
            if (!CacheEntry.TryRead(bytes, out string stored, out ReadOnlyMemory<byte> binary, out string reason) || stored != description)
            {
                log.LogWarning("{Path}: {Reason}; it will be rebuilt", path, reason.Length > 0 ? reason : "holds other graphs");
                Remove(path);
                return null;
            }

            Touch(path);
            return binary;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.LogWarning("{Path}: cannot be read: {Reason}", path, e.Message);
            return null;
        }
    }

    /// <summary>Stores the backend's binary of a description; the last writer wins, readers see a whole entry or none.</summary>
    /// <param name="description">What the entry depends on.</param>
    /// <param name="binary">The backend's binary.</param>
    /// <returns>Whether it was stored; the log says why not.</returns>
    public bool Write(string description, ReadOnlySpan<byte> binary)
    {
        byte[] entry = CacheEntry.Write(description, binary);
        if (entry.LongLength > MaxBytes)
        {
            log.LogWarning("not cached: the context has {Bytes} bytes, the cache's limit is {Limit}", entry.LongLength, MaxBytes);
            return false;
        }

        string path = EntryPath(description);
        string partial = Path.Combine(Folder, $".{Path.GetFileName(path)}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp");
        try
        {
            Directory.CreateDirectory(Folder);
            using (FileStream file = new(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(entry);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
            Evict(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.LogWarning("{Path}: cannot be written: {Reason}; going on without", path, e.Message);
            Remove(partial);
            return false;
        }
    }

    /// <summary>Removes the entry of a description, for example because the backend refuses it.</summary>
    /// <param name="description">What the entry depends on.</param>
    /// <param name="reason">Said in the log.</param>
    public void Reject(string description, string reason)
    {
        string path = EntryPath(description);
        log.LogWarning("{Path}: {Reason}; it will be rebuilt", path, reason);
        Remove(path);
    }

    /// <summary>All entries, the one used last first; each is read and checked.</summary>
    public IReadOnlyList<ContextCacheEntry> List()
    {
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        return [.. Files().OrderByDescending(f => f.LastWriteTimeUtc).Select(Check)];
    }

    /// <summary>Removes all entries and leftovers of interrupted writes.</summary>
    /// <returns>How many entries were removed.</returns>
    public int Clear()
    {
        if (!Directory.Exists(Folder))
        {
            return 0;
        }

        int removed = 0;
        foreach (FileInfo file in Files())
        {
            removed += Remove(file.FullName) ? 1 : 0;
        }

        foreach (string partial in Directory.GetFiles(Folder, $".*{CacheEntry.Extension}.*.tmp"))
        {
            Remove(partial);
        }

        return removed;
    }

    private static ContextCacheEntry Check(FileInfo file)
    {
        try
        {
            string? problem = CacheEntry.TryRead(File.ReadAllBytes(file.FullName), out string description, out _, out string reason) ? null : reason;
            if (problem is null && file.Name != CacheEntry.Key(description) + CacheEntry.Extension)
            {
                problem = "the file's name is not the key of its content";
            }

            return new ContextCacheEntry(file.FullName, file.Length, file.LastWriteTimeUtc, description, problem);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ContextCacheEntry(file.FullName, 0, default, string.Empty, e.Message);
        }
    }

    private static bool Remove(string path)
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A folder that is read only still serves; only the order of eviction suffers.
        }
    }

    private FileInfo[] Files() => new DirectoryInfo(Folder).GetFiles("*" + CacheEntry.Extension);

    private void Evict(string justWritten)
    {
        long total = 0;
        foreach (FileInfo file in Files().OrderByDescending(f => f.FullName == justWritten).ThenByDescending(f => f.LastWriteTimeUtc))
        {
            total += file.Length;
            if (total > MaxBytes)
            {
                log.LogInformation("{Path}: removed, the cache is over its limit of {Limit} bytes", file.FullName, MaxBytes);
                Remove(file.FullName);
            }
        }
    }
}
