namespace ShadowAttn.Kernels;

/// <summary>output_r = Σ_i w_i v_i / Σ_i w_i,  w_i = exp(scale·q_r·k_i - max_i). Packed form: the keys as they are.</summary>
internal static unsafe class DenseAttentionScalar
{
    public static DenseAttentionKernel Kernel => new(1, &PackedFloats, &PackKeys, &ScratchFloats, &Attend, 1);

    public static nint PackedFloats(int keys, int dim) => (nint)keys * dim;

    public static void PackKeys(KvRows* k, int firstKey, int keys, int dim, float* packed)
    {
        for (int key = firstKey; key < firstKey + keys; key++)
        {
            for (int d = 0; d < dim; d++)
            {
                packed[((nint)key * dim) + d] = k->At(key, d);
            }
        }
    }

    public static nint ScratchFloats(int rows, int dim) => 16;

    public static void Attend(DenseArguments* a)
    {
        for (int r = 0; r < a->Rows; r++)
        {
            float* query = a->Queries + (r * a->QueryStride);
            float* output = a->Output + (r * a->OutputStride);
            int visible = a->FirstVisible + (r * a->VisibleStep);
            new Span<float>(output, a->Dim).Clear();
            float top = float.NegativeInfinity;
            float sum = 0;
            for (int i = 0; i < visible; i++)
            {
                float logit = 0;
                for (int d = 0; d < a->Dim; d++)
                {
                    logit += query[d] * a->PackedKeys[((nint)i * a->Dim) + d];
                }

                logit *= a->Scale;
                float shrink = 1;
                if (logit > top)
                {
                    shrink = ExpScalar.One(top - logit);
                    top = logit;
                }

                float weight = ExpScalar.One(logit - top);
                sum = (sum * shrink) + weight;
                for (int d = 0; d < a->Dim; d++)
                {
                    output[d] = (output[d] * shrink) + (weight * a->Values.At(i, d));
                }
            }

            for (int d = 0; d < a->Dim; d++)
            {
                output[d] /= sum;
            }
        }
    }
}
