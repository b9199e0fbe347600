using ShadowAttn.Cli.Conformance;
using Xunit;

namespace ShadowAttn.Tests.Cli.Conformance;

/// <summary>A backend that is wrong in one way fails the checks that are about it, and no others.</summary>
[Collection(ConformanceCollection.Name)]
public unsafe class BrokenBackendTests
{
    /// <summary>
    /// Checks the areas of a broken backend. Exactly the expected checks fail: "area/name", or with a star the beginning of names, of
    /// which one at least fails; the detail of each has the given text.
    /// </summary>
    private static void AssertFails(BrokenBackend.Break how, string[] areas, params (string Check, string Detail)[] expected)
    {
        using var backend = new BrokenBackend(how);
        ConformanceReport report = backend.Check(areas);
        CheckReport[] failed = [.. report.Checks.Where(check => check.Result == CheckResult.Fail)];
        foreach ((string name, string detail) in expected)
        {
            CheckReport[] found = [.. failed.Where(check => Matches(check, name))];
            Assert.True(found.Length > 0, $"'{name}' did not fail");
            Assert.All(found, check => Assert.Contains(detail, check.Detail, StringComparison.Ordinal));
        }
        Assert.All(failed, check => Assert.True(expected.Any(e => Matches(check, e.Check)), $"{check.Area}/{check.Name} failed: {check.Detail}"));
        Assert.Equal(failed.Length, report.Summary.Fail);
        Assert.Contains(report.Checks, check => check.Result == CheckResult.Pass);
    }

    private static bool Matches(CheckReport check, string name) => name.EndsWith('*')
        ? $"{check.Area}/{check.Name}".StartsWith(name[..^1], StringComparison.Ordinal)
        : $"{check.Area}/{check.Name}" == name;

    [Fact]
    public void A_product_that_is_off_by_two() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.ProductOffByTwo,
        ["matmul", "softmax"],
        ("matmul/s8 x s8 -> s8", "within 1 steps, actual"),
        ("matmul/s8 x u8 -> s8", "within 1 steps"),
        ("matmul/exact with a power of two*", "within 0.5 steps"),
        ("matmul/operands stored*", "steps off"),
        ("matmul/rank*", "steps off"),
        ("matmul/saturates", "steps off"));

    [Fact]
    public void Equal_values_in_another_order() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.TiesReversed,
        ["topk", "matmul"],
        ("topk/equal values: the larger index first", "index 0 of row 0"),
        ("topk/u8", "index"),
        ("topk/s8", "index"),
        ("topk/u16", "index"),
        ("topk/int32", "index"),
        ("topk/signed indices", "index"),
        ("topk/all of a row", "index"),
        ("topk/819 of 4096", "index"));

    [Fact]
    public void A_graph_that_executes_before_it_is_finalised() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.ExecutesUnfinalized,
        ["order", "execute"],
        ("order/graphExecute before graphFinalize", "expected 6023 (QNN_GRAPH_ERROR_GRAPH_NOT_FINALIZED), actual 0"));

    [Fact]
    public void Another_code_for_tensors_that_are_wrong() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.OtherCodeForTensors,
        ["execute", "order"],
        ("execute/an input or output too few or too many", "expected 6004"),
        ("execute/null buffers", "expected 6004"),
        ("execute/unknown ids", "expected 6004"),
        ("execute/another shape", "expected 6004"),
        ("execute/buffers that are too small", "expected 6004"));

    [Fact]
    public void Buffers_that_are_too_small_taken() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.TakesSmallBuffers,
        ["execute", "order"],
        ("execute/buffers that are too small", "an output of a byte too few: expected 6004"));

    [Fact]
    public void Inputs_matched_by_order() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.MatchesByOrder,
        ["execute", "order"],
        ("execute/inputs in another order", "ids decide"));

    [Fact]
    public void A_write_behind_the_output() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.WritesBehindTheOutput,
        ["execute", "order"],
        ("execute/leaves its inputs and what is around its outputs", "behind the output"));

    [Fact]
    public void Threads_that_share_a_buffer() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.OneBufferForAllThreads,
        ["thread", "execute"],
        ("thread/*", "steps off"));

    [Fact]
    public void Values_out_of_place() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.OutputsReversed,
        ["layout", "order"],
        ("layout/Transpose*", "expected"),
        ("layout/Reshape*", "expected"));

    [Fact]
    public void Floats_that_are_off() => AssertFails(
        (ref table, ref _) => table.graphExecute = &Breakages.FloatsOff,
        ["quantize", "softmax"],
        ("quantize/Dequantize u8 -> f32", "absolute off"),
        ("quantize/Dequantize s8 -> f32", "absolute off"),
        ("quantize/Dequantize u16 -> f32", "absolute off"),
        ("softmax/u8 -> f32", "absolute off"),
        ("softmax/s8 -> f32", "absolute off"),
        ("softmax/u16 -> f32", "absolute off"));

    [Fact]
    public void A_second_notification() => AssertFails(
        (ref table, ref _) => table.graphExecuteAsync = &Breakages.NotifiesTwice,
        ["async", "order"],
        ("async/*", "expected"));

    [Fact]
    public void Validation_that_takes_everything() => AssertFails(
        (ref table, ref _) => table.backendValidateOpConfig = &Breakages.ValidatesEverything,
        ["matmul", "topk", "softmax", "elementwise"],
        ("matmul/refuses*", "expected 3110"),
        ("topk/refuses*", "expected 3110"),
        ("softmax/refuses*", "expected 3110"),
        ("elementwise/ElementWiseAdd refuses*", "expected 3110"),
        ("elementwise/ElementWiseMultiply refuses*", "expected 3110"));

    [Fact]
    public void Types_that_are_refused() => AssertFails(
        (ref table, ref _) => table.backendValidateOpConfig = &Breakages.RefusesSignedProducts,
        ["matmul", "topk"],
        ("matmul/s8 x u8 -> s8", "expected 0 (QNN_SUCCESS), actual 3110"));

    [Fact]
    public void A_parameter_that_is_ignored() => AssertFails(
        (ref table, ref _) => table.graphAddNode = &Breakages.IgnoresBeta,
        ["softmax", "matmul"],
        ("softmax/beta", "steps off"));

    [Fact]
    public void A_graph_finalised_twice() => AssertFails(
        (ref table, ref _) => table.graphFinalize = &Breakages.FinalizesAgain,
        ["order", "graph"],
        ("order/graphFinalize twice", "expected 1000"));

    [Fact]
    public void A_graph_retrieved_that_is_not_there() => AssertFails(
        (ref table, ref _) => table.graphRetrieve = &Breakages.RetrievesNothing,
        ["order", "context", "binary"],
        ("order/graphRetrieve of a name that is not there", "expected 6003"),
        ("context/handles", "expected 6003"),
        ("binary/round trip", "expected 6003"));

    [Fact]
    public void Tensors_of_one_id() => AssertFails(
        (ref table, ref _) => table.tensorCreateGraphTensor = &Breakages.AllTensorsOne,
        ["graph", "log"],
        ("graph/tensors get ids of their own", "actual 1, 1, 1, 1"),
        ("graph/*", ""));

    [Fact]
    public void A_context_freed_twice() => AssertFails(
        (ref table, ref _) => table.contextFree = &Breakages.FreesAgain,
        ["handle", "context"],
        ("handle/contextFree twice", "expected 5002"),
        ("handle/null", "expected 5002"),
        ("handle/never given out", "expected 5002"));

    [Fact]
    public void A_damaged_binary_loaded() => AssertFails(
        (ref table, ref _) => table.contextCreateFromBinary = &Breakages.LoadsDamagedBinaries,
        ["binary", "order"],
        ("binary/cut in half", "expected 30010 "));

    [Fact]
    public void A_binary_without_its_graphs() => AssertFails(
        (ref table, ref _) => table.contextCreateFromBinary = &Breakages.LoadsNothing,
        ["binary", "order"],
        ("binary/round trip", "graphRetrieve of 'pilot': expected 0"),
        ("binary/several graphs in one", "graphRetrieve"),
        ("binary/outlives its context", "graphRetrieve"));

    [Fact]
    public void A_profile_without_nodes() => AssertFails(
        (ref table, ref _) => table.profileGetSubEvents = &Breakages.NoEventsOfNodes,
        ["profile", "order"],
        ("profile/execute, detailed: events of the nodes", "expected some of nodes (type 404), actual none"));

    [Fact]
    public void Times_in_another_unit() => AssertFails(
        (ref table, ref _) => table.profileGetEventData = &Breakages.TimesInBytes,
        ["profile", "order"],
        ("profile/finalize", "unit of finalize: expected 1"),
        ("profile/execute, basic", "unit of execute"),
        ("profile/execute, detailed: events of the nodes", "unit of execute"),
        ("profile/loading a binary", "unit of contextCreateFromBinary"));

    [Fact]
    public void A_chip_that_does_not_exist() => AssertFails(
        (ref table, ref _) => table.deviceGetPlatformInfo = &Breakages.UnknownChip,
        ["device", "context"],
        ("device/platform info", "expected an HTP generation, actual 12"),
        ("device/a device of each that the platform has", "deviceCreate: expected 0"));

    [Fact]
    public void A_log_without_a_handle() => AssertFails(
        (ref table, ref _) => table.logCreate = &Breakages.NullLog,
        ["log", "order"],
        ("log/*", "expected a handle, actual success with null"));

    [Fact]
    public void Lines_above_the_level() => AssertFails(
        (ref table, ref _) => table.logSetLogLevel = &Breakages.LogsAtEveryLevel,
        ["log", "order"],
        ("log/*", "expected"));

    [Fact]
    public void Another_version_than_the_providers() => AssertFails(
        (ref table, ref _) => table.backendGetApiVersion = &Breakages.OtherVersion,
        ["interface", "order"],
        ("interface/version equals the provider's", "core API: expected 2.32.0, actual 2.19.0"));

    [Fact]
    public void A_text_of_another_status() => AssertFails(
        (ref table, ref _) => table.errorGetMessage = &Breakages.WrongText,
        ["interface", "order"],
        ("interface/texts of statuses", "expected QNN_SUCCESS"));

    [Fact]
    public void Capabilities_without_end() => AssertFails(
        (ref table, ref _) => table.propertyHasCapability = &Breakages.HasEverything,
        ["capability", "order"],
        ("capability/answers yes, no or unknown", "9999, which is none: expected 2000"));

    [Fact]
    public void Signals_that_are_not_announced() => AssertFails(
        (ref table, ref _) => table.propertyHasCapability = &Breakages.HasNoSignals,
        ["capability", "order"],
        ("capability/signals as announced", "QNN_PROPERTY_GROUP_SIGNAL no: expected 1000"));

    [Fact]
    public void Memory_without_a_handle() => AssertFails(
        (ref table, ref _) => table.memRegister = &Breakages.NullMemory,
        ["memory", "order"],
        ("memory/*", "expected a handle, actual success with null"));

    [Fact]
    public void An_operand_that_is_not_transposed() => AssertFails(
        (ref table, ref _) => table.graphAddNode = &Breakages.IgnoresTransposition,
        ["matmul", "order"],
        ("matmul/operands stored transposed and straight", "expected"),
        ("matmul/operands stored*", "expected"),
        ("matmul/exact with a power of two*", "expected"));

    [Fact]
    public void Functions_that_are_missing()
    {
        AssertFails(
            (ref table, ref _) => table.graphRetrieve = null,
            ["interface"],
            ("interface/functions of its version are there", "expected a function, actual null: graphRetrieve"));
        using var backend = new BrokenBackend((ref table, ref _) => table.profileSetConfig = null);
        CheckReport check = Assert.Single(backend.Check("interface").Checks, check => check.Name == "functions of its version are there");
        Assert.Equal((CheckResult.NotSupported, "null: profileSetConfig"), (check.Result, check.Detail));
    }

    [Fact]
    public void A_provider_without_a_name() => AssertFails(
        (ref _, ref provider) => provider.providerName = null,
        ["interface", "order"],
        ("interface/provider says who it is", "expected a name, actual none"));
}
