using System.Runtime.InteropServices;
using ShadowAttn.Cli;
using Xunit;

namespace ShadowAttn.Tests.Cli;

/// <summary>What only a process of its own shows: environment variables that are read once, and real streams.</summary>
public class CommandProcessTests
{
    [Theory]
    [InlineData("sse9", "SHADOWATTN_ISA: unknown instruction set 'sse9'; this machine has scalar")]
    [InlineData("other", "cannot run")]
    public void Instruction_sets_that_the_machine_lacks_are_refused(string isa, string reason)
    {
        if (isa == "other")
        {
            isa = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "dp" : "avx2";
        }

        CommandProcess.Run("SHADOWATTN_ISA", isa, "run").AssertBadInput(reason);
    }

    [Fact]
    public void Doctor_reports_a_wrong_instruction_set_and_goes_on()
    {
        CommandRun run = CommandProcess.Run("SHADOWATTN_ISA", "sse9", "doctor");
        Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("problem           SHADOWATTN_ISA: unknown instruction set 'sse9'", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fault=graphFinalize:1:6999", "graphFinalize: expected 0 (QNN_SUCCESS), actual 6999")]
    [InlineData("fault=graphCreate:0:null", "graphCreate: expected a handle, actual success with null")]
    public void Conformance_of_a_backend_that_fails_ends_with_1(string faults, string detail)
    {
        CommandRun run = CommandProcess.Run("SHADOWATTN_SOFTHTP", faults, "conformance", "--backend", "soft", "--filter", "order");
        Assert.Equal((EntryPoint.InternalError, ""), (run.ExitCode, run.Error));
        Assert.Contains(detail, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_backend_in_the_environment_is_said_to_be_there()
    {
        CommandProcess.Run("SHADOWATTN_QNN_BACKEND", "/no/such/libQnnHtp.so", "run").AssertBadInput("SHADOWATTN_QNN_BACKEND: ", "/no/such/libQnnHtp.so");
        CommandProcess.Run("SHADOWATTN_QNN_BACKEND", "/no/such/libQnnHtp.so", "run", "--mode", "dense").AssertBadInput("SHADOWATTN_QNN_BACKEND: ");
    }
}
