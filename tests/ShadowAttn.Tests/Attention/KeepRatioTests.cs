using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention;

public sealed class KeepRatioTests
{
    [Theory]
    [InlineData("0.2", 0.2, false)]
    [InlineData("1", 1, false)]
    [InlineData("1e-3", 0.001, false)]
    [InlineData("mass:0.9", 0.9, true)]
    [InlineData("MASS:1", 1, true)]
    public void ParsesSharesAndMasses(string text, double value, bool isMass)
    {
        Assert.True(KeepRatio.TryParse(text, out KeepRatio keep));
        Assert.Equal(value, keep.Value);
        Assert.Equal(isMass, keep.IsMass);
        Assert.True(KeepRatio.TryParse(keep.ToString(), out KeepRatio again));
        Assert.Equal(keep, again);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-0.1")]
    [InlineData("1.0001")]
    [InlineData("NaN")]
    [InlineData("0,2")]
    [InlineData("mass:")]
    [InlineData("mass:0")]
    [InlineData("half")]
    public void RefusesWhatIsNotInTheRange(string? text) => Assert.False(KeepRatio.TryParse(text, out _));

    [Fact]
    public void FactoriesRefuseWhatIsNotInTheRange()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => KeepRatio.Share(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => KeepRatio.Share(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => KeepRatio.Mass(1.5));
    }
}
