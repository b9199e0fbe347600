namespace ShadowAttn.Kernels;

/// <summary>output = (Σ w_i v_i + T·v_tail) / (Σ w_i + T),  w_i = exp(scale·q·k_i - top),  T = GatherTail.Mass.</summary>
internal static unsafe class GatherAttentionScalar
{
    public static GatherAttentionKernel Kernel => new(&Attend);

    public static void Attend(GatherArguments* a)
    {
        One(a, &a->Row0, a->First, a->Counts.First);
        if (a->Row1.Query is not null)
        {
            One(a, &a->Row1, a->Second, a->Counts.Second);
        }
    }

    private static void One(GatherArguments* a, GatherRow* row, int* own, int ownCount)
    {
        int both = a->Counts.Both;
        int count = both + ownCount;
        float* weights = a->Scratch;
        float top = float.NegativeInfinity;
        for (int i = 0; i < count; i++)
        {
            int key = i < both ? a->Both[i] : own[i - both];
            float dot = 0;
            for (int d = 0; d < a->Dim; d++)
            {
                dot += row->Query[d] * a->Keys.At(key, d);
            }

            weights[i] = dot * a->Scale;
            top = MathF.Max(top, weights[i]);
        }

        float tail = GatherTail.Mass(row, top);
        float sum = tail;
        for (int d = 0; d < a->Dim; d++)
        {
            row->Output[d] = tail == 0 ? 0 : tail * row->TailValue[d];
        }

        for (int i = 0; i < count; i++)
        {
            int key = i < both ? a->Both[i] : own[i - both];
            float weight = ExpScalar.One(weights[i] - top);
            sum += weight;
            for (int d = 0; d < a->Dim; d++)
            {
                row->Output[d] += weight * a->Values.At(key, d);
            }
        }

        for (int d = 0; d < a->Dim; d++)
        {
            row->Output[d] /= sum;
        }
    }
}
