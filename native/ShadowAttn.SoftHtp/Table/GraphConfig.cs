using ShadowAttn.Interop.Qnn;
using ShadowAttn.SoftHtp.Objects;

namespace ShadowAttn.SoftHtp.Table;

/// <summary>Reads graph configurations. Options that only tune a real NPU are accepted and have no effect.</summary>
internal static unsafe class GraphConfig
{
    internal static ulong Apply(GraphObject graph, QnnGraph_Config_t** config)
    {
        for (int i = 0; config != null && config[i] != null; i++)
        {
            QnnGraph_Config_t* entry = config[i];
            switch (entry->option)
            {
                case QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_CUSTOM:
                    var custom = (QnnHtpGraph_CustomConfig_t*)entry->Anonymous.customConfig;
                    if (custom == null)
                    {
                        return Status.GraphInvalidArgument;
                    }
                    if (custom->option == QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_PRECISION)
                    {
                        graph.HalfPrecision = custom->Anonymous.precision == Qnn_Precision_t.QNN_PRECISION_FLOAT16;
                    }
                    break;
                case QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_PRIORITY:
                    break;
                default:
                    graph.Context.Backend.Error($"graph '{graph.Name}': configuration option {(uint)entry->option} is not supported");
                    return Status.NotSupported;
            }
        }
        return Status.Success;
    }
}
