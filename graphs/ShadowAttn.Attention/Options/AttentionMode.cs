namespace ShadowAttn.Attention;

/// <summary>Which way the attention is computed.</summary>
public enum AttentionMode
{
    /// <summary>Pilot scores in INT8 on the QNN backend, exact attention over the kept keys on the CPU.</summary>
    Shadow,

    /// <summary>The same with the pilot by the CPU's own INT8 kernels; best where there is no NPU.</summary>
    ShadowCpu,

    /// <summary>Exact attention over all visible keys on the CPU.</summary>
    Dense,

    /// <summary>The whole attention in INT8 on the QNN backend, per-tensor encodings: the baseline that loses accuracy.</summary>
    NpuInt8,

    /// <summary>The estimate in fp32 on the CPU, every key by its own logit, then exact attention over the kept keys: the naive baseline.</summary>
    SparseCpu,

    /// <summary>Whole blocks of 64 keys, chosen by the logits of their mean keys in fp32: the coarse baseline.</summary>
    BlockSparse,
}

/// <summary>What happens to the softmax mass of the dropped keys.</summary>
public enum TailCompensation
{
    /// <summary>Dropped keys carry nothing: the paper's way.</summary>
    None,

    /// <summary>Dropped keys carry their estimated mass times the mean of the visible values.</summary>
    Mean,

    /// <summary>
    /// The same with a first-order term: along the row's query, the value that the dropped keys carry is extrapolated from their estimated logits
    /// by the covariance of keys and values. Costs about as much per row as <c>headDim</c> more keys.
    /// </summary>
    Linear,
}

/// <summary>Which encodings the pilot graphs bake in.</summary>
public enum PilotBuckets
{
    /// <summary>One power-of-two output scale for all heads and layers; rows are equalised when they are quantised.</summary>
    Universal,

    /// <summary>Nine Q/K scale pairs from geometric ladders, per-tensor encodings: the paper's way, for comparison.</summary>
    Paper,
}
