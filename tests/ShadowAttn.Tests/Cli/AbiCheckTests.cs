using System.Text.Json;
using ShadowAttn.Cli;
using ShadowAttn.Cli.AbiCheck;
using Xunit;

namespace ShadowAttn.Tests.Cli;

public sealed class AbiCheckTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Our_own_header_is_equal()
    {
        using JsonDocument json = Check(0, _ => { });
        Assert.Equal("2.32.0", json.RootElement.GetProperty("their_api").GetString());
        Assert.InRange(json.RootElement.GetProperty("compared").GetInt32(), 3300, 10_000);
        Assert.Empty(Findings(json, "different"));
        Assert.Empty(Findings(json, "newer"));
        Assert.Empty(Findings(json, "older"));
    }

    [Fact]
    public void The_folder_may_be_the_sdks_its_include_or_the_headers_own()
    {
        SkipUnlessCompiler();
        string headers = CopyHeaders(_folder.File("sdk/include/QNN"));
        foreach (string folder in new[] { _folder.File("sdk"), _folder.File("sdk/include"), headers })
        {
            CommandRun run = CommandRun.Of("abi-check", "--sdk", folder);
            Assert.Equal((EntryPoint.Success, ""), (run.ExitCode, run.Error));
            Assert.Contains($"headers   {headers}, core API 2.32.0", run.Output, StringComparison.Ordinal);
            Assert.Contains("0 different, 0 newer, 0 older; compatible", run.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("QnnTypes.h", "  uint32_t rank;\n  uint32_t *dimensions;\n", "  uint32_t *dimensions;\n  uint32_t rank;\n",
        "Qnn_TensorV1_t.rank: offset: ours 72, theirs 80", "Qnn_TensorV1_t.dimensions: offset: ours 80, theirs 72")]
    [InlineData("QnnTypes.h", "typedef struct {\n  float scale;", "typedef struct {\n  double scale;",
        "Qnn_ScaleOffset_t.scale: size: ours 4, theirs 8", "Qnn_ScaleOffset_t: alignment: ours 4, theirs 8")]
    [InlineData("QnnTypes.h", "  int32_t offset;\n} Qnn_ScaleOffset_t;", "  int32_t zeroPoint;\n} Qnn_ScaleOffset_t;",
        "Qnn_ScaleOffset_t.offset: field: ours at byte 4, theirs missing")]
    [InlineData("QnnProfile.h", "#define QNN_PROFILE_LEVEL_DETAILED 2", "#define QNN_PROFILE_LEVEL_DETAILED 3",
        "QNN_PROFILE_LEVEL_DETAILED: value: ours 2, theirs 3")]
    [InlineData("QnnOpDef.h", "#define QNN_OP_MAT_MUL \"MatMul\"", "#define QNN_OP_MAT_MUL \"Matmul\"",
        "QNN_OP_MAT_MUL: value: ours \"MatMul\", theirs \"Matmul\"")]
    [InlineData("QnnOpDef.h", "#define QNN_OP_MAT_MUL \"MatMul\"", "#define QNN_OP_MAT_MUL struct",
        "QNN_OP_MAT_MUL: constant: ours \"MatMul\", theirs missing")]
    [InlineData("QnnTypes.h", "QNN_DATATYPE_SFIXED_POINT_8 = 776", "QNN_DATATYPE_SFIXED_POINT_8 = 777",
        "Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8: value: ours 776, theirs 777")]
    [InlineData("QnnInterface.h", "  QnnContext_CreateFn_t contextCreate;\n  QnnContext_SetConfigFn_t contextSetConfig;\n",
        "  QnnContext_SetConfigFn_t contextSetConfig;\n  QnnContext_CreateFn_t contextCreate;\n",
        "QnnInterface_ImplementationV2_32_t.contextCreate: slot: ours slot 9, theirs slot 10",
        "QnnInterface_ImplementationV2_32_t.contextSetConfig: slot: ours slot 10, theirs slot 9")]
    [InlineData("QnnInterface.h", "(*QnnBackend_FreeFn_t)(Qnn_BackendHandle_t)", "(*QnnBackend_FreeFn_t)(Qnn_BackendHandle_t, int)",
        "QnnBackend_FreeFn_t: type: ours Qnn_ErrorHandle_t (*)(Qnn_BackendHandle_t), theirs ")]
    [InlineData("QnnInterface.h", "typedef Qnn_ErrorHandle_t (*QnnBackend_FreeFn_t)", "typedef int (*QnnBackend_FreeFn_t)", "QnnBackend_FreeFn_t: type: ")]
    [InlineData("QnnCommon.h", "#define QNN_API_VERSION_MAJOR 2", "#define QNN_API_VERSION_MAJOR 3", "QNN_API_VERSION_MAJOR: value: ours 2, theirs 3")]
    [InlineData("QnnCommon.h", "#define QNN_API_VERSION_MINOR 32", "#define QNN_API_VERSION_MINOR 17",
        "QNN_API_VERSION_MINOR: value: ours 32 (at least 18), theirs 17")]
    public void A_difference_is_named(string header, string old, string changed, params string[] expected)
    {
        using JsonDocument json = Check(EntryPoint.CheckFailed, folder => Replace(folder, header, old, changed));
        string[] different = Findings(json, "different");
        Assert.All(expected, e => Assert.Contains(different, d => d.StartsWith(e, StringComparison.Ordinal)));
        Assert.InRange(different.Length, expected.Length, 8);
        Assert.False(json.RootElement.GetProperty("compatible").GetBoolean());
    }

    [Fact]
    public void Differences_are_lines_of_the_text_too()
    {
        SkipUnlessCompiler();
        string folder = CopyHeaders(_folder.File("headers"));
        Replace(folder, "QnnProfile.h", "#define QNN_PROFILE_LEVEL_DETAILED 2", "#define QNN_PROFILE_LEVEL_DETAILED 3");
        CommandRun run = CommandRun.Of("abi-check", "--sdk", folder);
        Assert.Equal((EntryPoint.CheckFailed, ""), (run.ExitCode, run.Error));
        Assert.Contains("\ndifferent: QNN_PROFILE_LEVEL_DETAILED: value: ours 2, theirs 3\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("1 different, 0 newer, 0 older; not compatible", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_header_is_named()
    {
        using JsonDocument json = Check(EntryPoint.CheckFailed, folder =>
        {
            File.Delete(Path.Combine(folder, "HTP", "QnnHtpGraph.h"));
            foreach (string file in Directory.GetFiles(folder, "*.h", SearchOption.AllDirectories))
            {
                File.WriteAllLines(file, File.ReadAllLines(file).Where(line => !line.Contains("HTP/QnnHtpGraph.h", StringComparison.Ordinal)));
            }
        });
        string[] different = Findings(json, "different");
        Assert.Contains("HTP/QnnHtpGraph.h: header: ours present, theirs missing", different);
        Assert.Contains(different, d => d.StartsWith("QnnHtpGraph_CustomConfig_t: type: ", StringComparison.Ordinal));
        Assert.All(different, d => Assert.Contains("Htp", d, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void What_newer_headers_append_is_compatible()
    {
        using JsonDocument json = Check(EntryPoint.Success, folder =>
        {
            Replace(folder, "QnnCommon.h", "#define QNN_API_VERSION_MINOR 32", "#define QNN_API_VERSION_MINOR (40)");
            Replace(folder, "QnnInterface.h", "} QnnInterface_ImplementationV2_32_t;", "  void (*brandNew)(int);\n} QnnInterface_ImplementationV2_40_t;");
            Replace(folder, "QnnInterface.h", "QnnInterface_ImplementationV2_32_t v2_32;", "QnnInterface_ImplementationV2_40_t v2_40;");
            Replace(folder, "QnnTypes.h", "    Qnn_MemHandle_t memHandle;", "    Qnn_MemHandle_t memHandle;\n    void *anotherKind;");
            Replace(folder, "QnnTypes.h", "  QNN_TENSOR_VERSION_2 = 2,", "  QNN_TENSOR_VERSION_2 = 2,\n  QNN_TENSOR_VERSION_3 = 3,");
        });
        Assert.Equal("2.40.0", json.RootElement.GetProperty("their_api").GetString());
        string[] newer = Findings(json, "newer");
        foreach (string expected in new[]
        {
            "QnnInterface_ImplementationV2_40_t.brandNew: slot: ours missing, theirs slot 71",
            "QnnInterface_ImplementationV2_40_t: size: ours 568, theirs 576",
            "Qnn_TensorV1_t.anotherKind: field: ours missing, theirs at byte 96",
            "Qnn_TensorVersion_t.QNN_TENSOR_VERSION_3: constant: ours missing, theirs 3",
            "QNN_API_VERSION_MINOR: value: ours 32, theirs 40",
        })
        {
            Assert.Contains(expected, newer);
        }
    }

    [Fact]
    public void A_struct_that_grew_is_not_compatible()
    {
        using JsonDocument json = Check(EntryPoint.CheckFailed, folder => Replace(
            folder, "QnnTypes.h", "  int32_t offset;\n} Qnn_ScaleOffset_t;", "  int32_t offset;\n  int32_t more;\n} Qnn_ScaleOffset_t;"));
        Assert.Contains("Qnn_ScaleOffset_t: size: ours 8, theirs 12", Findings(json, "different"));
        Assert.Contains("Qnn_ScaleOffset_t.more: field: ours missing, theirs at byte 8", Findings(json, "newer"));
    }

    [Fact]
    public void What_older_headers_lack_is_compatible()
    {
        using JsonDocument json = Check(EntryPoint.Success, folder =>
        {
            Replace(folder, "QnnCommon.h", "#define QNN_API_VERSION_MINOR 32", "#define QNN_API_VERSION_MINOR 31");
            string text = File.ReadAllText(Path.Combine(folder, "QnnInterface.h"));
            int end = text.IndexOf("} QnnInterface_ImplementationV2_32_t;", StringComparison.Ordinal);
            int last = text.LastIndexOf('\n', end - 2) + 1;
            File.WriteAllText(Path.Combine(folder, "QnnInterface.h"), (text[..last] + text[end..]).Replace("V2_32", "V2_31", StringComparison.Ordinal)
                .Replace("v2_32", "v2_31", StringComparison.Ordinal));
        });
        string[] older = Findings(json, "older");
        Assert.Contains("QNN_API_VERSION_MINOR: value: ours 32, theirs 31", older);
        Assert.Contains("QnnInterface_ImplementationV2_31_t: size: ours 568, theirs 560", older);
        Assert.Contains(older, o => o.EndsWith("slot: ours slot 70, theirs missing", StringComparison.Ordinal));
    }

    [Fact]
    public void Folders_without_headers_are_refused()
    {
        CommandRun.Of("abi-check", "--sdk", _folder.Path).AssertBadInput("--sdk: ", _folder.Path, "has no QnnInterface.h");
        CommandRun.Of("abi-check", "--sdk", _folder.File("none")).AssertBadInput("--sdk: there is no folder", _folder.File("none"));
        CommandRun.Of("abi-check", "--sdk", "").AssertBadInput("--sdk: is empty");
        CommandRun.Of("abi-check").AssertBadInput("Option '--sdk' is required");
    }

    [Fact]
    public void Headers_that_do_not_compile_are_refused()
    {
        SkipUnlessCompiler();
        string folder = CopyHeaders(_folder.File("headers"));
        File.Delete(Path.Combine(folder, "QnnTypes.h"));
        CommandRun.Of("abi-check", "--sdk", folder).AssertBadInput("does not compile the headers in", folder, "QnnTypes.h");
        CopyHeaders(folder);
        Replace(folder, "QnnLog.h", "#pragma once", "#pragma once\nnonsense here;");
        CommandRun.Of("abi-check", "--sdk", folder, "--json").AssertBadInput("does not compile the headers in", "QnnLog.h");
    }

    [Fact]
    public void A_machine_without_a_compiler_is_told_so()
    {
        var e = Assert.Throws<InputException>(() => CCompiler.Find(_folder.Path));
        Assert.Equal("abi-check needs a C compiler; PATH has none of clang, gcc, cc", e.Message);
        string headers = CopyHeaders(_folder.File("headers"));
        CommandProcess.Run("PATH", _folder.Path, "abi-check", "--sdk", headers).AssertBadInput("abi-check needs a C compiler");
    }

    private static void SkipUnlessCompiler()
    {
        Assert.SkipWhen(Emulation.IsEmulated, "the compiler of an emulated machine is the host's and slow to start");
        try
        {
            CCompiler.Find(Environment.GetEnvironmentVariable("PATH") ?? "");
        }
        catch (InputException e)
        {
            Assert.Skip(e.Message);
        }
    }

    private JsonDocument Check(int exitCode, Action<string> change)
    {
        SkipUnlessCompiler();
        string folder = CopyHeaders(_folder.File("headers"));
        change(folder);
        CommandRun run = CommandRun.Of("abi-check", "--sdk", folder, "--json");
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Error));
        return JsonDocument.Parse(run.Output);
    }

    private static string[] Findings(JsonDocument json, string kind) =>
    [
        .. json.RootElement.GetProperty(kind).EnumerateArray().Select(f => new AbiFinding(
            f.GetProperty("subject").GetString()!, f.GetProperty("member").GetString(), f.GetProperty("what").GetString()!,
            f.GetProperty("ours").GetString()!, f.GetProperty("theirs").GetString()!).ToString()),
    ];

    private static string CopyHeaders(string folder)
    {
        string source = Path.Combine(AppContext.BaseDirectory, "include");
        foreach (string file in Directory.GetFiles(source, "*.h", SearchOption.AllDirectories))
        {
            string target = Path.Combine(folder, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }

        return folder;
    }

    private static void Replace(string folder, string header, string old, string changed)
    {
        string path = Path.Combine(folder, header);
        string text = File.ReadAllText(path);
        int at = text.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, $"{header} has no '{old}'");
        File.WriteAllText(path, text[..at] + changed + text[(at + old.Length)..]);
    }
}
