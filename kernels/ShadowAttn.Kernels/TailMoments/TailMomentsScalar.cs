namespace ShadowAttn.Kernels;

/// <summary>Σ w, Σ e·w over the dropped keys with w = exp(-step·e), e = reference - score; Σ score, Σ score² over all. By level counts.</summary>
internal static unsafe class TailMomentsScalar
{
    public static TailMomentsKernel Kernel => new(&Sum);

    public static void Sum(sbyte* scores, ulong* mask, int n, int reference, float step, TailMomentSums* sums)
    {
        int* dropped = stackalloc int[256];
        new Span<int>(dropped, 256).Clear();
        long total = 0;
        long squares = 0;
        for (int i = 0; i < n; i++)
        {
            int score = scores[i];
            total += score;
            squares += score * score;
            dropped[score + 128] += ((mask[i / 64] >> (i % 64)) & 1) == 0 ? 1 : 0;
        }

        double mass = 0;
        double distance = 0;
        for (int level = -128; level < 128; level++)
        {
            if (dropped[level + 128] != 0)
            {
                double weight = dropped[level + 128] * (double)ExpScalar.One(step * (level - reference));
                mass += weight;
                distance += weight * (reference - level);
            }
        }

        sums->Mass = (float)mass;
        sums->Distance = (float)distance;
        sums->Scores = total;
        sums->Squares = squares;
    }
}
