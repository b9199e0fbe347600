using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Bench.Reports;
using System.Diagnostics;
using ShadowAttn.Attention;
using ShadowAttn.Bench.Peers.OnnxRuntime;

namespace ShadowAttn.Bench.Peers;

/// <summary>
/// Measures implementations of attention against each other in one run: the calls are interleaved, so that what slows the machine slows all of
/// them, and before anything is timed every output is compared with that of this project's dense attention.
/// </summary>
/// <param name="shape">The shape of a call.</param>
/// <param name="data">Q, K and V.</param>
/// <param name="keep">How many keys the sparse modes keep.</param>
public sealed class PeerComparison(AttentionShape shape, AttentionData data, KeepRatio keep)
{
    /// <summary>The largest difference that rounding may cause between two exact implementations.</summary>
    public const double ExactTolerance = 1e-4;

    /// <summary>ONNX Runtime's threads keep spinning for a while after a call; the next implementation waits until they sleep.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>Verifies and measures.</summary>
    /// <param name="threads">Numbers of threads; each is measured by itself.</param>
    /// <param name="calls">Measured calls of each implementation.</param>
    /// <param name="log">Receives a line about each implementation that is left out.</param>
    /// <exception cref="InvalidDataException">An exact implementation's output differs from the dense one's.</exception>
    public PeerReport Run(IReadOnlyList<int> threads, int calls, Action<string> log)
    {
        string? unavailable = OnnxAttentionPeer.Unavailable;
        if (unavailable is not null)
        {
            log($"left out: ONNX Runtime; {unavailable}");
        }

        var results = new List<PeerResult>();
        foreach (int count in threads)
        {
            List<IAttentionPeer> peers = CreatePeers(count, unavailable is null, log);
            try
            {
                results.AddRange(Measure(peers, count, calls));
            }
            finally
            {
                peers.ForEach(peer => peer.Dispose());
            }
        }

        return new PeerReport(Machine.Current(), unavailable is null ? OnnxAttentionPeer.Version : null, shape, data.Source, results);
    }

    private List<IAttentionPeer> CreatePeers(int threads, bool onnxRuntime, Action<string> log)
    {
        List<IAttentionPeer> peers =
        [
            new ShadowAttentionPeer(AttentionMode.Dense, keep, shape, data, threads),
            new ShadowAttentionPeer(AttentionMode.ShadowCpu, keep, shape, data, threads),
        ];
        foreach (OnnxAttentionKind kind in Enum.GetValues<OnnxAttentionKind>())
        {
            if (!onnxRuntime)
            {
                break;
            }

            if (OnnxAttentionModels.Supports(kind, shape))
            {
                peers.Add(new OnnxAttentionPeer(kind, shape, data, threads));
            }
            else
            {
                log($"left out: {OnnxAttentionModels.Name(kind)} cannot compute {shape}");
            }
        }

        return peers;
    }

    private IEnumerable<PeerResult> Measure(List<IAttentionPeer> peers, int threads, int calls)
    {
        float[] reference = new float[shape.QueryLength];
        float[] output = new float[shape.QueryLength];
        var differences = new (double MaxAbs, double RelL2)[peers.Count];
        for (int p = 0; p < peers.Count; p++)
        {
            peers[p].Compute();
            peers[p].CopyOutput(p == 0 ? reference : output);
            differences[p] = p == 0 ? default : Difference(output, reference);
            if (peers[p].Exact && !(differences[p].MaxAbs <= ExactTolerance))
            {
                throw new InvalidDataException(
                    $"{peers[p].Name} differs from dense by {differences[p].MaxAbs:E1}, more than rounding explains ({ExactTolerance:E0})");
            }
        }

        double[][] times = [.. peers.Select(_ => new double[calls])];
        for (int call = 0; call < calls; call++)
        {
            for (int p = 0; p < peers.Count; p++)
            {
                Thread.Sleep(Pause);
                long start = Stopwatch.GetTimestamp();
                peers[p].Compute();
                times[p][call] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }

        for (int p = 0; p < peers.Count; p++)
        {
            Array.Sort(times[p]);
            double median = (times[p][(calls - 1) / 2] + times[p][calls / 2]) / 2;
            yield return new PeerResult(
                peers[p].Name, peers[p].Exact, threads, times[p][0], median, calls, differences[p].MaxAbs, differences[p].RelL2);
        }
    }

    private static (double MaxAbs, double RelL2) Difference(float[] output, float[] reference)
    {
        double largest = 0;
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < output.Length; i++)
        {
            double d = (double)output[i] - reference[i];
            largest = double.IsNaN(d) ? double.NaN : Math.Max(largest, Math.Abs(d));
            difference += d * d;
            norm += (double)reference[i] * reference[i];
        }

        return (largest, Math.Sqrt(difference / norm));
    }
}
