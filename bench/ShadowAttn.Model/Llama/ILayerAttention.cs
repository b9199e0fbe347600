using ShadowAttn.Memory;

namespace ShadowAttn.Model.Llama;

/// <summary>The attention of a model's layers, with their keys and values so far.</summary>
public interface ILayerAttention : IDisposable
{
    /// <summary>Appends keys and values of new tokens to a layer's, and attends with the new tokens' queries.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="q">fp32 [heads, tokens, headDim], after RoPE, any strides.</param>
    /// <param name="k">fp32 [kvHeads, tokens, headDim], after RoPE.</param>
    /// <param name="v">fp32 [kvHeads, tokens, headDim].</param>
    /// <param name="o">Receives fp32 [heads, tokens, headDim].</param>
    void Attend(int layer, in TensorView<float> q, in TensorView<float> k, in TensorView<float> v, in TensorView<float> o);
}
