using ShadowAttn.Interop;

namespace ShadowAttn.Tests.Interop.Htp;

/// <summary>A pilot graph on the simulator with its data: keys are declared before queries, to show that order is the graph's.</summary>
sealed unsafe class HtpPilot : IDisposable
{
    public const int Queries = 16;
    public const int Keys = 48;
    public const int Dim = 64;

    readonly sbyte* _memory = (sbyte*)System.Runtime.InteropServices.NativeMemory.AllocZeroed(QueryBytes + KeyBytes + ScoreBytes);

    public const int QueryBytes = Queries * Dim;
    public const int KeyBytes = Keys * Dim;
    public const int ScoreBytes = Queries * Keys;

    public HtpPilot(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < QueryBytes + KeyBytes; i++)
        {
            _memory[i] = (sbyte)random.Next(-60, 61);
        }
    }

    public sbyte* Q8 => _memory;

    public sbyte* K8 => _memory + QueryBytes;

    public ReadOnlySpan<sbyte> Scores => new(_memory + QueryBytes + KeyBytes, ScoreBytes);

    public static QnnGraph Compose(QnnContext context, string name = "pilot", QnnGraphOptions? options = null)
    {
        using QnnGraphBuilder b = context.CreateGraph(name, options);
        QnnTensor k = b.Input("k8", QnnDataType.SFixed8, [1, 1, Keys, Dim], QnnEncoding.ScaleOffset(1f));
        QnnTensor q = b.Input("q8", QnnDataType.SFixed8, [1, 1, Queries, Dim], QnnEncoding.ScaleOffset(1f));
        QnnTensor s = b.Output("scores", QnnDataType.SFixed8, [1, 1, Queries, Keys], QnnEncoding.ScaleOffset(64f));
        b.MatMul(q, k, s, transposeIn1: true, name: "scores_of_queries");
        return b.FinalizeGraph();
    }

    public void Bind(QnnBindings bindings)
    {
        bindings.BindInput(0, K8, KeyBytes);
        bindings.BindInput(1, Q8, QueryBytes);
        bindings.BindOutput(0, _memory + QueryBytes + KeyBytes, ScoreBytes);
    }

    public void ClearScores() => new Span<sbyte>(_memory + QueryBytes + KeyBytes, ScoreBytes).Clear();

    /// <summary>Whether every score is within half a step of the exact one.</summary>
    public bool IsExact()
    {
        for (int i = 0; i < ScoreBytes; i++)
        {
            int sum = 0;
            for (int d = 0; d < Dim; d++)
            {
                sum += Q8[i / Keys * Dim + d] * K8[i % Keys * Dim + d];
            }
            if (Math.Abs(Scores[i] - Math.Clamp(sum / 64.0, sbyte.MinValue, sbyte.MaxValue)) > 0.5)
            {
                return false;
            }
        }
        return true;
    }

    public void Dispose() => System.Runtime.InteropServices.NativeMemory.Free(_memory);
}
