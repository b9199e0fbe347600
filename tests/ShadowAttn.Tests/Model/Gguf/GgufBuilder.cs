using System.Text;
using ShadowAttn.Model.Gguf;

namespace ShadowAttn.Tests.Model.Gguf;

/// <summary>Writes GGUF files for tests, correct ones and others.</summary>
internal sealed class GgufBuilder
{
    private const int Alignment = 32;

    private readonly List<(string Key, uint Type, object Value)> metadata = [];
    private readonly List<(string Name, uint Type, long[] Lengths, byte[] Data)> tensors = [];

    public uint Version { get; set; } = 3;

    /// <summary>Sets a value; strings, uint, float, bool, arrays of string and of int.</summary>
    public GgufBuilder Set(string key, object value)
    {
        metadata.RemoveAll(m => m.Key == key);
        uint type = value switch { uint => 4, float => 6, bool => 7, string => 8, string[] or int[] => 9, _ => throw new ArgumentException(value.GetType().Name) };
        metadata.Add((key, type, value));
        return this;
    }

    public GgufBuilder Remove(string key)
    {
        metadata.RemoveAll(m => m.Key == key);
        tensors.RemoveAll(t => t.Name == key);
        return this;
    }

    public GgufBuilder Add(string name, GgufTensorType type, byte[] data, params long[] lengths) => Add(name, type.Id, data, lengths);

    public GgufBuilder Add(string name, uint type, byte[] data, params long[] lengths)
    {
        tensors.RemoveAll(t => t.Name == name);
        tensors.Add((name, type, lengths, data));
        return this;
    }

    /// <summary>The file, and how many bytes of it come before the data.</summary>
    public (byte[] Bytes, int HeaderBytes) Build()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach ((string key, uint type, object value) in metadata)
        {
            Write(writer, key);
            writer.Write(type);
            Write(writer, value);
        }

        ulong offset = 0;
        foreach ((string name, uint type, long[] lengths, byte[] data) in tensors)
        {
            Write(writer, name);
            writer.Write((uint)lengths.Length);
            foreach (long length in lengths)
            {
                writer.Write((ulong)length);
            }

            writer.Write(type);
            writer.Write(offset);
            offset += (ulong)((data.Length + Alignment - 1) / Alignment * Alignment);
        }

        int header = (int)stream.Length;
        foreach ((_, _, _, byte[] data) in tensors)
        {
            Pad(writer, stream);
            writer.Write(data);
        }

        Pad(writer, stream);
        return (stream.ToArray(), header);
    }

    private static void Pad(BinaryWriter writer, MemoryStream stream)
    {
        while (stream.Length % Alignment != 0)
        {
            writer.Write((byte)0);
        }
    }

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void Write(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number:
                writer.Write(number);
                break;
            case float number:
                writer.Write(number);
                break;
            case bool truth:
                writer.Write(truth);
                break;
            case string text:
                Write(writer, text);
                break;
            case string[] texts:
                writer.Write(8u);
                writer.Write((ulong)texts.Length);
                foreach (string text in texts)
                {
                    Write(writer, text);
                }

                break;
            case int[] numbers:
                writer.Write(5u);
                writer.Write((ulong)numbers.Length);
                foreach (int number in numbers)
                {
                    writer.Write(number);
                }

                break;
            default:
                throw new ArgumentException(value.GetType().Name);
        }
    }
}
