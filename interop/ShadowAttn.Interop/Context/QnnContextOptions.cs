using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>How a context is created.</summary>
public sealed record QnnContextOptions
{
    /// <summary>Priority of its graphs; null leaves it to the backend.</summary>
    public QnnPriority? Priority { get; init; }

    /// <summary>How many asynchronous executions may wait; null leaves it to the backend.</summary>
    public int? AsyncQueueDepth { get; init; }

    /// <summary>A null-terminated array of pointers to options, or null if there are none.</summary>
    internal unsafe QnnContext_Config_t** Write(NativeArena arena)
    {
        const int MostConfigs = 2;
        var configs = (QnnContext_Config_t**)arena.Allocate<nint>(MostConfigs + 1);
        int count = 0;

        QnnContext_Config_t* Add(QnnContext_ConfigOption_t option)
        {
            var config = arena.Allocate<QnnContext_Config_t>();
            config->option = option;
            configs[count++] = config;
            return config;
        }

        if (Priority is QnnPriority priority)
        {
            Add(QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_OPTION_PRIORITY)->priority = (Qnn_Priority_t)priority;
        }
        if (AsyncQueueDepth is int depth)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth, nameof(AsyncQueueDepth));
            QnnContext_Config_t* config = Add(QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_ASYNC_EXECUTION_QUEUE_DEPTH);
            config->asyncExeQueueDepth.type = QnnContext_AsyncExecutionQueueDepthType_t.QNN_CONTEXT_ASYNC_EXECUTION_QUEUE_DEPTH_TYPE_NUMERIC;
            config->asyncExeQueueDepth.depth = (uint)depth;
        }
        return count == 0 ? null : configs;
    }
}
