using System.Numerics;

namespace ShadowAttn.Kernels;

/// <summary>Counts the 256 levels, walks them from the top until <c>keep</c> keys are reached, and keeps the last of the ties.</summary>
internal static unsafe class TopKSelectScalar
{
    public static TopKSelectKernel Kernel => new(&Select, &Split);

    public static void Select(sbyte* scores, int n, int keep, int guess, ulong* mask, TopKResult* result)
    {
        int* levels = stackalloc int[256];
        new Span<int>(levels, 256).Clear();
        for (int i = 0; i < n; i++)
        {
            levels[scores[i] + 128]++;
        }

        int threshold = 127;
        int above = 0;
        while (above + levels[threshold + 128] < keep)
        {
            above += levels[threshold + 128];
            threshold--;
        }

        int skipTies = levels[threshold + 128] - (keep - above);
        new Span<ulong>(mask, (n + 63) / 64).Clear();
        for (int i = 0; i < n; i++)
        {
            if (scores[i] > threshold || (scores[i] == threshold && --skipTies < 0))
            {
                mask[i / 64] |= 1UL << (i % 64);
            }
        }

        result->Threshold = threshold;
        result->Above = above;
        result->Ties = levels[threshold + 128];
    }

    public static void Split(ulong* mask0, ulong* mask1, int words, int* both, int* first, int* second, SplitCounts* counts)
    {
        counts->Both = Append(mask0, mask1, words, both, 0, 0);
        counts->First = Append(mask0, mask1, words, first, 0, ulong.MaxValue);
        counts->Second = Append(mask0, mask1, words, second, ulong.MaxValue, 0);
    }

    private static int Append(ulong* mask0, ulong* mask1, int words, int* list, ulong flip0, ulong flip1)
    {
        int count = 0;
        for (int w = 0; w < words; w++)
        {
            for (ulong bits = (mask0[w] ^ flip0) & (mask1[w] ^ flip1); bits != 0; bits &= bits - 1)
            {
                list[count++] = (w * 64) + BitOperations.TrailingZeroCount(bits);
            }
        }

        return count;
    }
}
