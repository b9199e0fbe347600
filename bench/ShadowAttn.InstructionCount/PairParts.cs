using ShadowAttn.Kernels;

namespace ShadowAttn.InstructionCount;

/// <summary>The parts of gather attention over pairs of rows, each for all pairs between two marks: logits and weighted values of shared and of own keys.</summary>
internal sealed unsafe class PairParts(Counter counter, Case shape, int weight, KvHead kv)
{
    private readonly int dim = shape.Dim;
    private readonly float* logits = Block.Allocate<float>(4 * Case.Tokens);
    private readonly float* logitsAgain = Block.Allocate<float>(4 * Case.Tokens);
    private readonly float* maxima = Block.Allocate<float>(8);
    private readonly float* sums = Block.Allocate<float>(2 * 128);
    private readonly float* sumsAgain = Block.Allocate<float>(2 * 128);
    private readonly float* weights = Block.Allocate<float>(4 * Case.Tokens);

    public void Count(GatherArguments* pairs, int count)
    {
        new Span<float>(weights, 4 * Case.Tokens).Fill(0.25f);
        float* second = logits + (2 * Case.Tokens);
        float* secondAgain = logitsAgain + (2 * Case.Tokens);
        float* weights1 = weights + (2 * Case.Tokens);
        float power = shape.Scale;
        GatherArguments last = pairs[count - 1];
        Part("gather/qk-pair", "AdvSimd", pairs, count, a => GatherPairLogitsAdvSimd.Run(
            a->Row0.Query, a->Row1.Query, kv.K, dim, dim, a->Both, a->Counts.Both, power, logits, second, maxima));
        Part("gather/qk-pair", "C AdvSimd", pairs, count, a => Yardstick.PairLogits(
            a->Row0.Query, a->Row1.Query, kv.K, dim, dim, a->Both, a->Counts.Both, power, logitsAgain, secondAgain, maxima));
        Check.Near("logits of pairs in C", logits, logitsAgain, last.Counts.Both);
        Check.Near("logits of pairs in C", second, secondAgain, last.Counts.Both);
        Part("gather/qk-row", "AdvSimd", pairs, count, a => GatherRowLogitsAdvSimd.Run(
            a->Row0.Query, kv.K, dim, dim, a->First, a->Counts.First, power, logits, maxima));
        Part("gather/qk-row", "C AdvSimd", pairs, count, a => Yardstick.RowLogits(
            a->Row0.Query, kv.K, dim, dim, a->First, a->Counts.First, power, logitsAgain, maxima));
        Check.Near("logits of rows in C", logits, logitsAgain, last.Counts.First);
        Part("gather/pv-pair", "AdvSimd", pairs, count, a => GatherPairValuesAdvSimd.Sum(
            kv.V, dim, dim, a->Both, a->Counts.Both, weights, weights1, sums, sums + dim));
        Part("gather/pv-pair", "C AdvSimd", pairs, count, a => Yardstick.PairValues(
            kv.V, dim, dim, a->Both, a->Counts.Both, weights, weights1, sumsAgain, sumsAgain + dim));
        Check.Near("values of pairs in C", sums, sumsAgain, 2 * dim);
        Part("gather/pv-row", "AdvSimd", pairs, count, a => GatherRowValuesAdvSimd.Sum(
            kv.V, dim, dim, a->First, a->Counts.First, weights, sums, 0, null, 0.5f, sums + dim));
        Part("gather/pv-row", "C AdvSimd", pairs, count, a => Yardstick.RowValues(
            kv.V, dim, dim, a->First, a->Counts.First, weights, sums, 0.5f, sumsAgain + dim));
        Check.Near("values of rows in C", sums + dim, sumsAgain + dim, dim);
    }

    private delegate void PairAction(GatherArguments* pair);

    private void Part(string name, string implementation, GatherArguments* pairs, int count, PairAction run) =>
        counter.Count(name, shape.Name, implementation, weight, () =>
        {
            for (int pair = 0; pair < count; pair++)
            {
                run(pairs + pair);
            }
        });
}
