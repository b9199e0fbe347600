using CsCheck;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Kernels;

public unsafe class ExpTests
{
    public static TheoryData<InstructionSet> Variants => KernelVariants.Of(Exp.Kernels);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Within_two_units_in_the_last_place(InstructionSet set)
    {
        var x = new List<float>();
        for (float v = -87.3365f; v < 88.7228f; v += 0.0137f)
        {
            x.Add(v);
        }

        for (float v = 1e-9f; v < 1; v *= 1.7f)
        {
            x.Add(v);
            x.Add(-v);
        }

        x.AddRange([0f, -0f, float.Epsilon, -float.Epsilon, 88.72283f, -87.33654f, 88.37f, 88.38f, -86.99f]);
        float[] y = Run(set, [.. x]);
        for (int i = 0; i < y.Length; i++)
        {
            AssertClose(x[i], y[i]);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Any_argument_in_range(InstructionSet set) =>
        Gen.Float[-87.3f, 88.7f].Array[1, 70].Sample(
            x =>
            {
                float[] y = Run(set, x);
                for (int i = 0; i < x.Length; i++)
                {
                    AssertClose(x[i], y[i]);
                }
            },
            iter: 50);

    [Theory]
    [MemberData(nameof(Variants))]
    public void Out_of_range_arguments(InstructionSet set)
    {
        float[] x =
        [
            -87.34f, -88f, -100f, -104f, -1e4f, -1e30f, float.MinValue, float.NegativeInfinity,
            88.73f, 89f, 100f, 1e4f, 1e30f, float.MaxValue, float.PositiveInfinity, float.NaN,
        ];
        foreach (int shift in new[] { 0, 3, 5 })
        {
            float[] shifted = [.. x[shift..], .. x[..shift], .. x[..7]];
            float[] y = Run(set, shifted);
            for (int i = 0; i < y.Length; i++)
            {
                float expected = float.IsNaN(shifted[i]) ? float.NaN : shifted[i] < 0 ? 0 : float.PositiveInfinity;
                Assert.Equal(expected, y[i]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_length_writes_only_its_own_elements_and_in_place(InstructionSet set)
    {
        ExpKernel kernel = KernelVariants.Kernel(Exp.Kernels, set);
        for (int n = 0; n <= 70; n++)
        {
            float[] x = new float[n + 2];
            for (int i = 0; i < x.Length; i++)
            {
                x[i] = i - 20;
            }

            float[] before = [.. x];
            fixed (float* p = x)
            {
                kernel.Run(p + 1, p + 1, n);
            }

            Assert.Equal(before[0], x[0]);
            Assert.Equal(before[n + 1], x[n + 1]);
            for (int i = 1; i <= n; i++)
            {
                AssertClose(before[i], x[i]);
            }
        }
    }

    [Fact]
    public void The_span_form_checks_lengths()
    {
        float[] y = new float[3];
        Exp.Run([0, 1], y);
        Assert.Equal(1, y[0]);
        AssertClose(1, y[1]);
        Assert.Equal(0, y[2]);
        Assert.Throws<ArgumentException>(() => Exp.Run(new float[4], new float[3]));
    }

    private static float[] Run(InstructionSet set, float[] x)
    {
        float[] y = new float[x.Length];
        fixed (float* px = x, py = y)
        {
            KernelVariants.Kernel(Exp.Kernels, set).Run(px, py, x.Length);
        }

        return y;
    }

    private static void AssertClose(float x, float y)
    {
        double exact = Math.Exp(x);
        double unit = MathF.BitIncrement((float)exact) - (double)(float)exact;
        Assert.True(Math.Abs(y - exact) <= 2 * unit, $"exp({x:R}) = {exact:R}, got {y:R}: {Math.Abs(y - exact) / unit:F2} units");
    }
}
