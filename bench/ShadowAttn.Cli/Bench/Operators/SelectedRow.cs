using ShadowAttn.Kernels;

namespace ShadowAttn.Cli.Bench.Operators;

/// <summary>A row of scores and which of its keys are kept: the input of what sums over the dropped keys.</summary>
/// <param name="scores">The scores.</param>
/// <param name="mask">The kept keys.</param>
/// <param name="threshold">The score of the last kept key.</param>
internal sealed unsafe class SelectedRow(sbyte* scores, ulong* mask, int threshold)
{
    /// <summary>What one score step means in the exponent.</summary>
    public const float Step = 0.05f;

    public sbyte* Scores { get; } = scores;

    public ulong* Mask { get; } = mask;

    public int Threshold { get; } = threshold;

    /// <summary>Bytes of scores and mask.</summary>
    public static double Bytes(int keys) => keys + ((keys + 7) / 8);

    /// <summary>A row of the request's <c>keys</c> that keeps its share of them.</summary>
    public static SelectedRow Create(BenchRequest request, string name, BenchMemory memory)
    {
        int keys = request.Shape["keys"];
        sbyte* scores = memory.Int8(keys, 40);
        ulong* mask = memory.Allocate<ulong>((keys + 63) / 64);
        TopKResult result;
        TopKSelect.Kernels.Scalar.Kernel.Select(scores, keys, KeptKeys(request, name, keys), 0, mask, &result);
        return new SelectedRow(scores, mask, result.Threshold);
    }

    /// <summary>How many of the keys a row keeps.</summary>
    /// <exception cref="InputException">The request wants a share of the mass.</exception>
    public static int KeptKeys(BenchRequest request, string name, int keys) => request.Keep.IsMass
        ? throw new InputException($"--keep {request.Keep}: {name} keeps a share of the keys, such as 0.2")
        : Math.Clamp((int)Math.Ceiling(request.Keep.Value * keys), 1, keys);
}
