using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using ShadowAttn.Cli.Files;
using ShadowAttn.Memory;

namespace ShadowAttn.Cli.Safetensors;

/// <summary>Writes F32 tensors as a safetensors file: whole or not at all.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes one tensor.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="name">The tensor's name.</param>
    /// <param name="tensor">The elements; contiguous.</param>
    /// <param name="metadata">Metadata, all strings.</param>
    /// <exception cref="ArgumentException">The view is not contiguous.</exception>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write(string path, string name, TensorView<float> tensor, IReadOnlyDictionary<string, string> metadata)
        => Write(path, metadata, (name, tensor));

    /// <summary>Writes several tensors.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="metadata">Metadata, all strings.</param>
    /// <param name="tensors">Names, all different, and elements, contiguous.</param>
    /// <exception cref="ArgumentException">A view is not contiguous.</exception>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, string> metadata, params (string Name, TensorView<float> Tensor)[] tensors)
    {
        foreach ((string name, TensorView<float> tensor) in tensors)
        {
            if (!tensor.IsContiguous)
            {
                throw new ArgumentException($"tensor '{name}' is not contiguous", nameof(tensors));
            }
        }

        byte[] header = Header(metadata, tensors);
        OutputFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach ((_, TensorView<float> tensor) in tensors)
            {
                WriteElements(stream, tensor);
            }
        });
    }

    private static byte[] Header(IReadOnlyDictionary<string, string> metadata, (string Name, TensorView<float> Tensor)[] tensors)
    {
        using var bytes = new MemoryStream();
        bytes.Write(new byte[sizeof(ulong)]);
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach ((string key, string value) in metadata)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            long offset = 0;
            foreach ((string name, TensorView<float> tensor) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                for (int dimension = 0; dimension < tensor.Rank; dimension++)
                {
                    json.WriteNumberValue(tensor.Length(dimension));
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset += tensor.ElementCount * sizeof(float);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // The format lets spaces follow the header, so that data starts aligned.
        while (bytes.Length % sizeof(ulong) != 0)
        {
            bytes.WriteByte((byte)' ');
        }

        byte[] header = bytes.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - sizeof(ulong));
        return header;
    }

    private static unsafe void WriteElements(Stream stream, TensorView<float> tensor)
    {
        const int chunkBytes = 1 << 20;
        long bytes = tensor.ElementCount * sizeof(float);
        for (long offset = 0; offset < bytes; offset += chunkBytes)
        {
            stream.Write(new ReadOnlySpan<byte>((byte*)tensor.Pointer + offset, (int)Math.Min(chunkBytes, bytes - offset)));
        }
    }
}
