namespace ShadowAttn.Kernels;

/// <summary>T = Σ_{i not in mask} exp(step·(score_i - reference)), by counting the levels first.</summary>
internal static unsafe class TailMassScalar
{
    public static TailMassKernel Kernel => new(&Sum);

    public static float Sum(sbyte* scores, ulong* mask, int n, int reference, float step)
    {
        int* levels = stackalloc int[256];
        new Span<int>(levels, 256).Clear();
        for (int i = 0; i < n; i++)
        {
            if (((mask[i / 64] >> (i % 64)) & 1) == 0)
            {
                levels[scores[i] + 128]++;
            }
        }

        double sum = 0;
        for (int level = -128; level < 128; level++)
        {
            if (levels[level + 128] != 0)
            {
                sum += levels[level + 128] * (double)ExpScalar.One(step * (level - reference));
            }
        }

        return (float)sum;
    }
}
