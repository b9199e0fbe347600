using ShadowAttn.Attention;
using Xunit;

namespace ShadowAttn.Tests.Attention.Tail;

public sealed class TailBlocksTests
{
    [Fact]
    public void PositionsAreNumberedWithoutGaps()
    {
        int expected = 0;
        for (int visible = 1; visible < 70_000; visible++)
        {
            int position = TailBlocks.Position(visible);
            int index = TailBlocks.Index(position);
            Assert.InRange(index, expected, expected + 1);
            Assert.Equal(position, TailBlocks.PositionOf(index));
            Assert.InRange(visible - position, 0, visible < 8192 ? 63 : visible / 64);
            Assert.Equal(0, position % TailBlocks.Block);
            expected = index;
        }
    }

    [Theory]
    [InlineData(63, 0)]
    [InlineData(64, 64)]
    [InlineData(8191, 8128)]
    [InlineData(8192, 8192)]
    [InlineData(8319, 8192)]
    [InlineData(8320, 8320)]
    [InlineData(40_000, 39_936)]
    public void RefreshesEvery64KeysAndLessOftenBeyond8192(int visible, int position) => Assert.Equal(position, TailBlocks.Position(visible));
}
