using System.Numerics;
using CsCheck;
using ShadowAttn.Attention;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Attention.Tiles;

public sealed unsafe class MassSelectionTests
{
    /// <summary>Shares of the mass, floors, windows, saturated keys and spreads of the scores: the kept keys are the heaviest, enough, and not one too many.</summary>
    [Fact]
    public void TheFewestHeaviestKeysThatHoldTheShareAreKept()
    {
        Gen.Select(Gen.Int[1, 300], Gen.Int[0, 63], Gen.Double[0.05, 1], Gen.Int[1, 100], Gen.Double[0.001, 0.4], Gen.Int[0, 12], Gen.Int[0, 1_000_000]).Sample(
            (seen, hidden, share, minKeys, step, saturated, seed) => Check(seen, hidden, share, minKeys, (float)step, saturated, seed), iter: 400, seed: "0000KOIPe036", threads: 1);
    }

    [Fact]
    public void AllMassIsAllKeysThatHaveAny()
    {
        Check(200, 0, 1, 1, 0.01f, 0, 3);
        Check(200, 5, 1, 1, 0.01f, 7, 4);
        Check(1, 0, 1, 64, 0.01f, 0, 5);
        Check(3, 0, 0.5, 64, 0.01f, 3, 6);
    }

    [Fact]
    public void TheFloorTakesNoMoreThanItNeedsOfKeysWithoutWeight() => Check(60, 53, 0.1509833332803811, 59, 0.4f, 4, 59787);

    private static void Check(int seen, int hidden, double share, int minKeys, float step, int saturated, int seed)
    {
        const float Origin = 1.5f;
        int visible = hidden + seen;
        var random = new Random(seed);
        var scores = new sbyte[visible];
        var logits = new float[visible];
        int spread = random.Next(1, 127);
        for (int key = 0; key < visible; key++)
        {
            // The exact logit is anywhere within the score's step; of a saturated score anywhere above.
            bool saturates = key >= hidden && random.Next(seen) < saturated;
            scores[key] = key < hidden ? sbyte.MinValue : saturates ? sbyte.MaxValue : (sbyte)random.Next(-spread, spread);
            logits[key] = ((scores[key] + (saturates ? random.Next(40) : 0) + random.NextSingle() - 0.5f) * step) + Origin;
        }

        using var scratch = new WorkerScratch(visible, 1, 2, scores: false, dense: null);
        var mask = new ulong[(visible + 63) / 64];
        float one = 1;
        int kept;
        int reference;
        fixed (sbyte* s = scores)
        fixed (float* k = logits)
        fixed (ulong* m = mask)
        {
            RowPilot row = new()
            {
                Scores = s, Visible = visible, Hidden = hidden, Query = &one, Keys = new KvRows(k, 1), Step = step, Origin = Origin,
            };
            kept = new MassSelection(share, minKeys, dim: 1, scale: 1).Select(row, scratch, m, out reference);
        }

        Assert.Equal(kept, mask.Sum(BitOperations.PopCount));
        Assert.All(Enumerable.Range(0, hidden), key => Assert.False(IsKept(key), "before the window"));
        int[] keys = [.. Enumerable.Range(hidden, seen)];

        // What the row knows of a key: the exact logit of a saturated one, else its level's, but no more than the largest exact one of the highest level.
        int highest = keys.Max(key => scores[key]);
        double top = keys.Where(key => scores[key] == highest).Max(key => logits[key]);
        double Known(int key) => scores[key] == sbyte.MaxValue ? logits[key] : (scores[key] * step) + Origin;
        double Weight(int key) => Math.Exp(Math.Min(Known(key) - top, 0));
        double total = keys.Sum(Weight);
        double mass = keys.Where(IsKept).Sum(Weight);
        int[] dropped = [.. keys.Where(key => !IsKept(key))];
        int[] chosen = [.. keys.Where(IsKept)];
        Assert.True(mass >= share * total * (1 - 1e-5), $"{mass / total} is less than {share}");
        double lightest = chosen.Min(Known);
        Assert.True(dropped.Length == 0 || dropped.Max(Known) <= lightest, "the heaviest are kept");
        Assert.True(
            kept == Math.Min(seen, minKeys) || (kept > minKeys && mass - chosen.Min(Weight) < share * total * (1 + 1e-5)),
            $"{kept} keys hold {mass / total}, one less would do for {share}");
        Assert.All(dropped, key => Assert.True(scores[key] <= reference, "no dropped score is above the reference"));

        bool IsKept(int key) => ((mask[key / 64] >> (key % 64)) & 1) != 0;
    }
}
