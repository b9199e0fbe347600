using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace ShadowAttn.Tests.Cli;

/// <summary>Bytes of safetensors files, right or wrong.</summary>
internal static class TraceBytes
{
    /// <summary>Header length, header, data.</summary>
    public static byte[] File(string header, ReadOnlySpan<byte> data) => File(Encoding.UTF8.GetBytes(header), data);

    public static byte[] File(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        var file = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        data.CopyTo(file.AsSpan(8 + header.Length));
        return file;
    }

    /// <summary>A trace with q, k and v of the given shapes, element i of each being i / 16 + 1, in F32.</summary>
    public static byte[] Trace(int[] q, int[] k, int[] v, string metadata = "", Action<float[]>? change = null)
    {
        int Count(int[] shape) => shape.Aggregate(1, (a, b) => a * b);
        int total = Count(q) + Count(k) + Count(v);
        var data = new float[total];
        int next = 0;
        foreach (int count in new[] { Count(q), Count(k), Count(v) })
        {
            for (int i = 0; i < count; i++)
            {
                data[next++] = (i / 16f) + 1;
            }
        }

        change?.Invoke(data);
        int qEnd = Count(q) * 4;
        int kEnd = qEnd + (Count(k) * 4);
        string header = $$$"""
            {"__metadata__":{{{{metadata}}}},
            "q":{"dtype":"F32","shape":[{{{string.Join(',', q)}}}],"data_offsets":[0,{{{qEnd}}}]},
            "k":{"dtype":"F32","shape":[{{{string.Join(',', k)}}}],"data_offsets":[{{{qEnd}}},{{{kEnd}}}]},
            "v":{"dtype":"F32","shape":[{{{string.Join(',', v)}}}],"data_offsets":[{{{kEnd}}},{{{total * 4}}}]}}
            """;
        return File(header, MemoryMarshal.AsBytes(data.AsSpan()));
    }
}
