using ShadowAttn.Interop;
using Xunit;

namespace ShadowAttn.Tests.Interop.Errors;

public class QnnStatusTests
{
    [Fact]
    public void Every_named_code_says_what_causes_it()
    {
        Assert.True(QnnStatus.KnownCodes.Count > 90, $"{QnnStatus.KnownCodes.Count} codes");
        foreach (ulong code in QnnStatus.KnownCodes)
        {
            QnnStatus status = QnnStatus.FromCode(code);
            Assert.True(status.Name.StartsWith("QNN_", StringComparison.Ordinal), $"{code} has no name");
            Assert.True(status.Cause.Length > 0, $"{status} has no cause");
            Assert.DoesNotContain('\n', status.Cause + status.Remedy);
            Assert.NotEqual("outside the API's ranges", status.Area);
        }
    }

    [Theory]
    [InlineData(0ul, "QNN_SUCCESS", "success")]
    [InlineData(1000ul, "QNN_COMMON_ERROR_NOT_SUPPORTED", "common")]
    [InlineData(1002ul, "QNN_COMMON_ERROR_MEM_ALLOC", "common")]
    [InlineData(3110ul, "QNN_OP_PACKAGE_ERROR_VALIDATION_FAILURE", "op package")]
    [InlineData(4000ul, "QNN_BACKEND_ERROR_CANNOT_INITIALIZE", "backend")]
    [InlineData(4950ul, "QNN_SAVER_ERROR_DUMMY_RETVALUE", "saver")]
    [InlineData(5003ul, "QNN_CONTEXT_ERROR_NOT_FINALIZED", "context")]
    [InlineData(6004ul, "QNN_GRAPH_ERROR_INVALID_TENSOR", "graph")]
    [InlineData(7004ul, "QNN_TENSOR_ERROR_INVALID_TENSOR_PARAM", "tensor")]
    [InlineData(8005ul, "QNN_MEM_ERROR_UNSUPPORTED_MEMTYPE", "memory")]
    [InlineData(9004ul, "QNN_SIGNAL_ERROR_TIMEOUT", "signal")]
    [InlineData(13003ul, "QNN_HTP_PERF_INFRASTRUCTURE_ERROR_TRANSPORT", "power")]
    [InlineData(14001ul, "QNN_DEVICE_ERROR_INVALID_CONFIG", "device")]
    [InlineData(30010ul, "QNN_SYSTEM_CONTEXT_ERROR_MALFORMED_BINARY", "system library")]
    public void A_code_has_its_constants_name_and_area(ulong code, string name, string area)
    {
        QnnStatus status = QnnStatus.FromCode(code);

        Assert.Equal(name, status.Name);
        Assert.Equal(area, status.Area);
        Assert.Equal($"{name} ({code}, {area})", status.ToString());
    }

    [Fact]
    public void What_a_backend_adds_above_the_low_16_bits_does_not_hide_the_code()
    {
        QnnStatus status = QnnStatus.FromCode(0x2_0000_0000 + 6004);

        Assert.Equal("QNN_GRAPH_ERROR_INVALID_TENSOR", status.Name);
        Assert.Equal(0x2_0000_0000 + 6004ul, status.Code);
    }

    [Fact]
    public void An_unknown_code_is_shown_with_its_area()
    {
        Assert.Equal("unknown status (6900, graph)", QnnStatus.FromCode(6900).ToString());
        Assert.Equal("outside the API's ranges", QnnStatus.FromCode(50_500).Area);
    }

    [Fact]
    public void The_message_has_call_subject_constant_cause_and_log_line()
    {
        var e = new QnnCallException("graphFinalize", "graph 'pilot'", 6022, ["first", "tile does not fit\tVTCM"]);

        Assert.StartsWith("graphFinalize (graph 'pilot') failed: QNN_GRAPH_ERROR_FINALIZE_FAILED (6022, graph). Usually: ", e.Message);
        Assert.EndsWith("The backend logged: tile does not fit\tVTCM", e.Message);
        Assert.Equal("graphFinalize", e.Call);
        Assert.Equal(6022ul, e.Status.Code);
        Assert.Equal(2, e.LogLines.Count);
    }

    [Fact]
    public void A_long_log_line_is_cut_in_the_message_only()
    {
        string line = new('x', 5000);

        var e = new QnnCallException("graphExecute", null, 6004, [line]);

        Assert.True(e.Message.Length < 1000);
        Assert.Equal(line, e.LogLines[0]);
    }
}
