using System.IO.MemoryMappedFiles;
using System.Numerics;
using System.Security;

namespace ShadowAttn.Model.Gguf;

/// <summary>
/// A GGUF file (version 2 or 3, little endian), mapped into memory: magic, version, counts, metadata, tensor descriptions, padding, data.
/// The header is read and checked when the file is opened; all tensors lie within the file.
/// </summary>
public sealed unsafe class GgufFile : IDisposable
{
    private const uint Magic = 0x46554747;
    private const int HeaderBytes = 24;
    private const int LeastMetadataBytes = 8 + 4 + 1;
    private const int LeastTensorBytes = 8 + 4 + 8 + 4 + 8;
    private const int MaxRank = 4;
    private const int DefaultAlignment = 32;

    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private readonly Dictionary<string, GgufTensor> tensors = new(StringComparer.Ordinal);

    private GgufFile(string path, MemoryMappedFile map, MemoryMappedViewAccessor view, long length)
    {
        Path = path;
        ByteLength = length;
        this.map = map;
        this.view = view;
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        start = pointer + view.PointerOffset;
        Metadata = new GgufMetadata(path, start, length);
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>The format's version, 2 or 3.</summary>
    public int Version { get; private set; }

    /// <summary>The metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors, in no particular order.</summary>
    public IReadOnlyCollection<GgufTensor> Tensors => tensors.Values;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelException">The file cannot be read, or its header is wrong in any way.</exception>
    public static GgufFile Open(string path)
    {
        CheckPath(path);
        GgufFile? file = null;
        try
        {
            file = Map(path);
            file.ReadHeader();
            GgufFile opened = file;
            file = null;
            return opened;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException)
        {
            throw new ModelException($"{path}: cannot be read: {(e is UnauthorizedAccessException ? "no permission" : e.Message)}", e);
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>The tensor of that name, or null.</summary>
    /// <param name="name">The name.</param>
    public GgufTensor? Find(string name) => tensors.GetValueOrDefault(name);

    /// <summary>Unmaps the file; its tensors are invalid from now on.</summary>
    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }

    private static void CheckPath(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
        {
            throw new ModelException("the name of the model is empty; a GGUF file is needed");
        }

        if (Directory.Exists(path))
        {
            throw new ModelException($"{path}: is a folder; a GGUF file is needed");
        }

        if (!File.Exists(path))
        {
            throw new ModelException($"{path}: there is no such file");
        }
    }

    private static GgufFile Map(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        long length = stream.Length;
        if (length < HeaderBytes)
        {
            throw new ModelException($"{path}: has {length} bytes, too few for a GGUF file");
        }

        var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        try
        {
            return new GgufFile(path, map, map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    private void ReadHeader()
    {
        var cursor = new GgufCursor(Path, start, ByteLength, 0);
        uint magic = cursor.Read<uint>("the magic number");
        if (magic != Magic)
        {
            throw new ModelException($"{Path}: does not start with 'GGUF', so this is no GGUF file");
        }

        uint version = cursor.Read<uint>("the version");
        if (version is not (2 or 3))
        {
            throw new ModelException(BitConverter.IsLittleEndian && (version & 0xFFFF) == 0
                ? $"{Path}: is a big-endian GGUF file; a little-endian one is needed"
                : $"{Path}: is of GGUF version {version}; versions 2 and 3 are supported");
        }

        Version = (int)version;
        long tensorCount = ReadCount(ref cursor, "tensors", LeastTensorBytes);
        long metadataCount = ReadCount(ref cursor, "metadata values", LeastMetadataBytes);
        for (long i = 0; i < metadataCount; i++)
        {
            Metadata.Add(ref cursor);
        }

        var descriptions = new List<(string Name, GgufTensorType Type, long[] Lengths, ulong Offset)>();
        for (long i = 0; i < tensorCount; i++)
        {
            descriptions.Add(ReadDescription(ref cursor));
        }

        Place(descriptions, cursor.Position);
    }

    private long ReadCount(ref GgufCursor cursor, string what, int leastBytes)
    {
        ulong count = cursor.Read<ulong>($"the number of {what}");
        return count <= (ulong)(cursor.Remaining / leastBytes)
            ? (long)count
            : throw new ModelException($"{Path}: has {count} {what} by its header, more than fit into {ByteLength} bytes: the file is truncated or damaged");
    }

    private (string Name, GgufTensorType Type, long[] Lengths, ulong Offset) ReadDescription(ref GgufCursor cursor)
    {
        string name = cursor.ReadString("a tensor's name");
        string what = $"tensor {ModelException.Quote(name)}";
        uint rank = cursor.Read<uint>(what);
        if (rank is < 1 or > MaxRank)
        {
            throw new ModelException($"{Path}: {what} has {rank} dimensions, but must have 1 to {MaxRank}");
        }

        var lengths = new long[rank];
        Int128 elements = 1;
        for (int d = 0; d < lengths.Length; d++)
        {
            ulong length = cursor.Read<ulong>(what);
            elements *= length;
            if (length == 0 || elements > long.MaxValue)
            {
                throw new ModelException($"{Path}: {what} has length {length} in dimension {d}; the tensor {(length == 0 ? "is empty" : "is larger than any file")}");
            }

            lengths[d] = (long)length;
        }

        uint id = cursor.Read<uint>(what);
        GgufTensorType type = GgufTensorType.Find(id) ?? throw new ModelException(
            $"{Path}: {what} is of type {GgufTensorType.NameOfUnknown(id)}; supported are {string.Join(", ", GgufTensorType.All)}");
        if (lengths[0] % type.BlockElements != 0)
        {
            throw new ModelException($"{Path}: {what} has rows of {lengths[0]} elements, but {type} needs a multiple of {type.BlockElements}");
        }

        return (name, type, lengths, cursor.Read<ulong>(what));
    }

    private void Place(List<(string Name, GgufTensorType Type, long[] Lengths, ulong Offset)> descriptions, long headerEnd)
    {
        int alignment = Metadata.NumberOrNull("general.alignment", 1, 1 << 20) ?? DefaultAlignment;
        if (!BitOperations.IsPow2(alignment))
        {
            throw new ModelException($"{Path}: general.alignment is {alignment}, but must be a power of two");
        }

        long dataStart = (headerEnd + alignment - 1) / alignment * alignment;
        long dataBytes = Math.Max(0, ByteLength - dataStart);
        foreach ((string name, GgufTensorType type, long[] lengths, ulong offset) in descriptions)
        {
            string what = $"tensor {ModelException.Quote(name)}";
            Int128 bytes = type.BlockBytes;
            foreach (long length in lengths)
            {
                bytes *= length;
            }

            bytes /= type.BlockElements;
            if (offset % (ulong)alignment != 0)
            {
                throw new ModelException($"{Path}: {what} begins at byte {offset} of the data, which is no multiple of the alignment {alignment}");
            }

            if (offset + bytes > dataBytes)
            {
                throw new ModelException(
                    $"{Path}: {what} ends at byte {offset + bytes} of the data, but the file has only {dataBytes} bytes of data: it is truncated or damaged");
            }

            if (!tensors.TryAdd(name, new GgufTensor(name, type, lengths, (nint)(start + dataStart + (long)offset))))
            {
                throw new ModelException($"{Path}: {what} is there twice");
            }
        }
    }
}
