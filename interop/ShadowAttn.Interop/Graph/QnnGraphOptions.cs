using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>Who goes first when several contexts want the device.</summary>
public enum QnnPriority
{
    /// <summary>Gives way to others.</summary>
    Low = (int)Qnn_Priority_t.QNN_PRIORITY_LOW,

    /// <summary>The usual.</summary>
    Normal = (int)Qnn_Priority_t.QNN_PRIORITY_NORMAL,

    /// <summary>Above the usual.</summary>
    NormalHigh = (int)Qnn_Priority_t.QNN_PRIORITY_NORMAL_HIGH,

    /// <summary>Before others, where the platform allows it.</summary>
    High = (int)Qnn_Priority_t.QNN_PRIORITY_HIGH,
}

/// <summary>How a graph is prepared. Everything but the priority is HTP's own; leave it out for other backends.</summary>
public sealed record QnnGraphOptions
{
    /// <summary>Priority; null leaves the context's.</summary>
    public QnnPriority? Priority { get; init; }

    /// <summary>Whether float tensors are computed in half precision; HTP needs it for float graphs.</summary>
    public bool Float16Precision { get; init; }

    /// <summary>Tightly coupled memory for the graph, in MiB; null leaves it to HTP, 0 takes all of the device's.</summary>
    public int? VtcmMegabytes { get; init; }

    /// <summary>Vector threads to use; null leaves it to HTP.</summary>
    public int? HvxThreads { get; init; }

    /// <summary>How hard HTP works on the graph when it finalises it: 1, 2 or 3; null leaves it to HTP.</summary>
    public int? OptimizationLevel { get; init; }

    /// <summary>Whether HTP compresses activations on their way to memory (DLBC); null leaves it to HTP.</summary>
    public bool? CompressActivations { get; init; }

    internal bool HasHtpOptions => Float16Precision || VtcmMegabytes is not null || HvxThreads is not null
        || OptimizationLevel is not null || CompressActivations is not null;

    /// <summary>A null-terminated array of pointers to options, or null if there are none.</summary>
    internal unsafe QnnGraph_Config_t** Write(NativeArena arena)
    {
        const int MostConfigs = 6;
        var configs = (QnnGraph_Config_t**)arena.Allocate<nint>(MostConfigs + 1);
        int count = 0;

        QnnGraph_Config_t* Add(QnnGraph_ConfigOption_t option)
        {
            var config = arena.Allocate<QnnGraph_Config_t>();
            config->option = option;
            configs[count++] = config;
            return config;
        }

        QnnHtpGraph_CustomConfig_t* AddHtp(QnnHtpGraph_ConfigOption_t option)
        {
            var custom = arena.Allocate<QnnHtpGraph_CustomConfig_t>();
            custom->option = option;
            Add(QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_CUSTOM)->customConfig = custom;
            return custom;
        }

        if (Priority is QnnPriority priority)
        {
            Add(QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_PRIORITY)->priority = (Qnn_Priority_t)priority;
        }
        if (Float16Precision)
        {
            AddHtp(QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_PRECISION)->precision = Qnn_Precision_t.QNN_PRECISION_FLOAT16;
        }
        if (VtcmMegabytes is int megabytes)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(megabytes, nameof(VtcmMegabytes));
            AddHtp(QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_VTCM_SIZE)->vtcmSizeInMB = (uint)megabytes;
        }
        if (HvxThreads is int threads)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads, nameof(HvxThreads));
            AddHtp(QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_NUM_HVX_THREADS)->numHvxThreads = (ulong)threads;
        }
        if (OptimizationLevel is int level)
        {
            // HTP takes any number and says nothing.
            ArgumentOutOfRangeException.ThrowIfLessThan(level, 1, nameof(OptimizationLevel));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(level, 3, nameof(OptimizationLevel));
            AddHtp(QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_OPTIMIZATION)->optimizationOption = new QnnHtpGraph_OptimizationOption_t
            {
                type = QnnHtpGraph_OptimizationType_t.QNN_HTP_GRAPH_OPTIMIZATION_TYPE_FINALIZE_OPTIMIZATION_FLAG,
                floatValue = level,
            };
        }
        if (CompressActivations is bool compress)
        {
            AddHtp(QnnHtpGraph_ConfigOption_t.QNN_HTP_GRAPH_CONFIG_OPTION_OPTIMIZATION)->optimizationOption = new QnnHtpGraph_OptimizationOption_t
            {
                type = QnnHtpGraph_OptimizationType_t.QNN_HTP_GRAPH_OPTIMIZATION_TYPE_ENABLE_DLBC,
                floatValue = compress ? 1 : 0,
            };
        }
        return count == 0 ? null : configs;
    }
}
