using System.Buffers.Binary;
using System.Security;
using Microsoft.Win32.SafeHandles;

namespace ShadowAttn.Cli.Safetensors;

/// <summary>
/// A safetensors file, open for reading: 8 bytes of header length (little endian), the JSON header, the data. The header is read and checked
/// when the file is opened; data is read on demand.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>The longest header that the format allows, in bytes.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    private const int LengthBytes = 8;
    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header, long dataStart)
    {
        Path = path;
        _handle = handle;
        _header = header;
        _dataStart = dataStart;
    }

    /// <summary>The path as given.</summary>
    public string Path { get; }

    /// <summary>The tensors, in the order of their data.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors => _header.Tensors;

    /// <summary>The metadata; empty if there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="InputException">The file cannot be read, or its header is wrong in any way.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = OpenHandle(path);
            long fileBytes = RandomAccess.GetLength(handle);
            byte[] json = ReadHeader(path, handle, fileBytes);
            long dataStart = LengthBytes + json.Length;
            SafetensorsHeader header = SafetensorsHeader.Parse(path, json, fileBytes - dataStart);
            var file = new SafetensorsFile(path, handle, header, dataStart);
            handle = null;
            return file;
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw new InputException($"{path}: cannot be read: {Reason(e)}", e);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>The tensor of that name, or null.</summary>
    /// <param name="name">The name.</param>
    public SafetensorsTensor? Find(string name) => _header.Tensors.Find(t => t.Name == name);

    /// <summary>Reads bytes of a tensor.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="byteOffset">First byte within the tensor.</param>
    /// <param name="destination">Receives as many bytes as it is long.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tensor does not have these bytes.</exception>
    /// <exception cref="InputException">The file cannot be read, or has become shorter since it was opened.</exception>
    public void Read(SafetensorsTensor tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, tensor.ByteLength - destination.Length);
        try
        {
            ReadExactly(Path, _handle, destination, _dataStart + tensor.DataOffset + byteOffset);
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw new InputException($"{Path}: tensor {InputException.Quote(tensor.Name)} cannot be read: {Reason(e)}", e);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    private static SafeFileHandle OpenHandle(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
        {
            throw new InputException("the name of the safetensors file is empty");
        }

        if (Directory.Exists(path))
        {
            throw new InputException($"{path}: is a folder; a safetensors file is needed");
        }

        return File.Exists(path) ? File.OpenHandle(path) : throw new InputException($"{path}: there is no such file");
    }

    private static byte[] ReadHeader(string path, SafeFileHandle handle, long fileBytes)
    {
        if (fileBytes < LengthBytes)
        {
            throw new InputException(fileBytes == 0
                ? $"{path}: is empty; a safetensors file is needed"
                : $"{path}: has {fileBytes} bytes, too few for a safetensors file");
        }

        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        ReadExactly(path, handle, lengthBytes, 0);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (length is < 2 or > MaxHeaderBytes)
        {
            throw new InputException($"{path}: the header's length is given as {length} bytes, but must be 2 to {MaxHeaderBytes}: "
                + "this is no safetensors file, or it is damaged");
        }

        if (length > (ulong)(fileBytes - LengthBytes))
        {
            throw new InputException($"{path}: the header's length is given as {length} bytes, but only {fileBytes - LengthBytes} follow: "
                + "the file is truncated or no safetensors file");
        }

        var json = new byte[length];
        ReadExactly(path, handle, json, LengthBytes);
        return json;
    }

    private static void ReadExactly(string path, SafeFileHandle handle, Span<byte> destination, long fileOffset)
    {
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(handle, destination, fileOffset);
            if (count == 0)
            {
                throw new InputException($"{path}: has become shorter while it was read");
            }

            destination = destination[count..];
            fileOffset += count;
        }
    }

    // NotSupportedException: a pipe, which has no positions.
    private static bool IsFileError(Exception e)
        => e is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException;

    private static string Reason(Exception e) => e switch
    {
        UnauthorizedAccessException => "no permission",
        NotSupportedException => "it is no ordinary file",
        _ => e.Message,
    };
}
