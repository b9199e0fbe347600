using System.Runtime.InteropServices;

namespace ShadowAttn.InstructionCount;

/// <summary>The C versions of the kernels, bench/c-yardstick, linked into this program.</summary>
internal static unsafe partial class Yardstick
{
    private const string Library = "yardstick";

    [LibraryImport(Library, EntryPoint = "yardstick_dot_scores")]
    [SuppressGCTransition]
    public static partial void DotScores(sbyte* q8, byte* packed, int tokens, int dim, sbyte* scores);

    [LibraryImport(Library, EntryPoint = "yardstick_wrap_scores")]
    [SuppressGCTransition]
    public static partial void WrapScores(sbyte* q8, sbyte* k8, int tokens, int dim, sbyte* scores);

    [LibraryImport(Library, EntryPoint = "yardstick_select")]
    [SuppressGCTransition]
    public static partial int Select(sbyte* scores, int n, int keep, int guess, ulong* mask);

    [LibraryImport(Library, EntryPoint = "yardstick_split")]
    [SuppressGCTransition]
    public static partial void Split(ulong* mask0, ulong* mask1, int words, int* both, int* first, int* second, int* counts);

    [LibraryImport(Library, EntryPoint = "yardstick_pair_logits")]
    [SuppressGCTransition]
    public static partial void PairLogits(
        float* query0, float* query1, float* keys, nint stride, int dim, int* list, int count, float power, float* logits0, float* logits1,
        float* maxima);

    [LibraryImport(Library, EntryPoint = "yardstick_row_logits")]
    [SuppressGCTransition]
    public static partial void RowLogits(
        float* query, float* keys, nint stride, int dim, int* list, int count, float power, float* logits, float* maxima);

    [LibraryImport(Library, EntryPoint = "yardstick_pair_values")]
    [SuppressGCTransition]
    public static partial void PairValues(
        float* values, nint stride, int dim, int* list, int count, float* weights0, float* weights1, float* sums0, float* sums1);

    [LibraryImport(Library, EntryPoint = "yardstick_row_values")]
    [SuppressGCTransition]
    public static partial void RowValues(
        float* values, nint stride, int dim, int* list, int count, float* weights, float* start, float factor, float* output);

    [LibraryImport(Library, EntryPoint = "yardstick_dense")]
    [SuppressGCTransition]
    public static partial void Dense(
        float* queries, float* packedKeys, float* values, int tokens, int dim, float scale, float* output, float* scratch);
}
