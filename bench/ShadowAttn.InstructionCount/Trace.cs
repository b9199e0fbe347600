using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Safetensors;

namespace ShadowAttn.InstructionCount;

/// <summary>q [heads, tokens, 64], k and v [kvHeads, tokens, 64] of an F16 trace, whose first tokens are used.</summary>
internal sealed class Trace
{
    public const int Dim = 64;

    private Trace(Half[] q, Half[] k, Half[] v, int tokens)
    {
        (Q, K, V, Tokens) = (q, k, v, tokens);
    }

    public Half[] Q { get; }

    public Half[] K { get; }

    public Half[] V { get; }

    public int Tokens { get; }

    public int KvHeads => K.Length / (Tokens * Dim);

    public int Group => Q.Length / K.Length;

    public static Trace Read(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        int tokens = 0;
        Half[] q = Read(file, "q", ref tokens);
        Half[] k = Read(file, "k", ref tokens);
        Half[] v = Read(file, "v", ref tokens);
        return new Trace(q, k, v, tokens);
    }

    private static Half[] Read(SafetensorsFile file, string name, ref int tokens)
    {
        SafetensorsTensor? tensor = file.Find(name);
        if (tensor is null || tensor.Type != SafetensorsType.F16 || tensor.Shape.Count != 3 || tensor.Shape[2] != Dim
            || (tokens != 0 && tensor.Shape[1] != tokens))
        {
            throw new InputException($"{file.Path}: counting needs {name} as F16 [heads, tokens, {Dim}], all tensors with as many tokens");
        }

        tokens = (int)tensor.Shape[1];
        var data = new Half[tensor.ByteLength / sizeof(ushort)];
        file.Read(tensor, 0, MemoryMarshal.AsBytes(data.AsSpan()));
        return data;
    }
}
