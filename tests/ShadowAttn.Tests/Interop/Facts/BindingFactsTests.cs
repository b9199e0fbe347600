using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using Xunit;

namespace ShadowAttn.Tests.Interop.Facts;

public class BindingFactsTests
{
    [Fact]
    public void The_bindings_equal_the_facts()
    {
        JsonNode facts = BindingFacts.Load();

        List<string> differences = BindingFacts.Compare(facts, out int compared);

        Assert.Empty(differences);
        Assert.Equal(130, facts["structs"]!.AsObject().Count);
        Assert.Equal(97, facts["enums"]!.AsObject().Count);
        Assert.Equal(835, facts["constants"]!.AsObject().Count);
        Assert.True(compared > 3000, $"only {compared} facts were compared");
    }

    [Theory]
    [InlineData("offset", "offset of Qnn_TensorV1_t.clientBuf")]
    [InlineData("fieldSize", "size of Qnn_TensorV1_t.clientBuf")]
    [InlineData("fieldName", "field 9 of Qnn_TensorV1_t")]
    [InlineData("size", "size of Qnn_Tensor_t")]
    [InlineData("align", "alignment of Qnn_Tensor_t")]
    [InlineData("missingStruct", "struct Qnn_TensorV9_t is missing")]
    [InlineData("enum", "Qnn_DataType_t.QNN_DATATYPE_SFIXED_POINT_8")]
    [InlineData("missingEnumConstant", "Qnn_DataType_t.QNN_DATATYPE_NEW")]
    [InlineData("constant", "QNN_PROFILE_LEVEL_DETAILED")]
    [InlineData("text", "QNN_OP_MAT_MUL")]
    [InlineData("slotOrder", "field 21 of QnnInterface_ImplementationV2_32_t")]
    public void A_wrong_fact_is_found(string what, string expected)
    {
        JsonNode facts = BindingFacts.Load();
        JsonObject structs = facts["structs"]!.AsObject();
        JsonArray tensorFields = structs["Qnn_TensorV1_t"]!["fields"]!.AsArray();
        JsonNode buffer = tensorFields.First(field => field!["name"]!.GetValue<string>() == "clientBuf")!;
        JsonArray dataTypes = facts["enums"]!["Qnn_DataType_t"]!.AsArray();
        switch (what)
        {
            case "offset":
                buffer["offset"] = buffer["offset"]!.GetValue<int>() + 4;
                break;
            case "fieldSize":
                buffer["size"] = 8;
                break;
            case "fieldName":
                buffer["name"] = "clientBuffer";
                break;
            case "size":
                structs["Qnn_Tensor_t"]!["size"] = 120;
                break;
            case "align":
                structs["Qnn_Tensor_t"]!["align"] = 4;
                break;
            case "missingStruct":
                structs["Qnn_TensorV9_t"] = structs["Qnn_TensorV1_t"]!.DeepClone();
                break;
            case "enum":
                dataTypes.First(pair => pair![0]!.GetValue<string>() == "QNN_DATATYPE_SFIXED_POINT_8")![1] = 777;
                break;
            case "missingEnumConstant":
                dataTypes[0]![0] = "QNN_DATATYPE_NEW";
                break;
            case "constant":
                facts["constants"]!["QNN_PROFILE_LEVEL_DETAILED"] = "3";
                break;
            case "text":
                facts["constants"]!["QNN_OP_MAT_MUL"] = "\"Matmul\"";
                break;
            case "slotOrder":
                JsonArray slots = structs["QnnInterface_ImplementationV2_32_t"]!["fields"]!.AsArray();
                (slots[21]!["name"], slots[22]!["name"]) = (slots[22]!["name"]!.DeepClone(), slots[21]!["name"]!.DeepClone());
                break;
        }

        List<string> differences = BindingFacts.Compare(facts, out _);

        Assert.Contains(differences, difference => difference.StartsWith(expected, StringComparison.Ordinal));
        Assert.InRange(differences.Count, 1, 2);
    }

    [Fact]
    public void The_tables_have_as_many_functions_as_the_newest_version()
    {
        Assert.Equal(71, Unsafe.SizeOf<QnnInterface_ImplementationV2_32_t>() / IntPtr.Size);
        Assert.Equal(16, Unsafe.SizeOf<QnnSystemInterface_ImplementationV1_7_t>() / IntPtr.Size);
        Assert.Equal(new QnnApiVersion(2, 32, 0), QnnApiVersion.Bindings);
    }
}
