using Microsoft.Extensions.Logging;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>How much a backend logs.</summary>
public enum QnnLogLevel
{
    /// <summary>Failures.</summary>
    Error = (int)QnnLog_Level_t.QNN_LOG_LEVEL_ERROR,

    /// <summary>Failures and what is doubtful.</summary>
    Warn = (int)QnnLog_Level_t.QNN_LOG_LEVEL_WARN,

    /// <summary>Also what the backend does.</summary>
    Info = (int)QnnLog_Level_t.QNN_LOG_LEVEL_INFO,

    /// <summary>Also how.</summary>
    Verbose = (int)QnnLog_Level_t.QNN_LOG_LEVEL_VERBOSE,

    /// <summary>Everything.</summary>
    Debug = (int)QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG,
}

static class QnnLogLevels
{
    /// <summary>The logger's level for a backend's; a level that the API does not have counts as information.</summary>
    public static LogLevel ToLoggerLevel(QnnLog_Level_t level) => level switch
    {
        QnnLog_Level_t.QNN_LOG_LEVEL_ERROR => LogLevel.Error,
        QnnLog_Level_t.QNN_LOG_LEVEL_WARN => LogLevel.Warning,
        QnnLog_Level_t.QNN_LOG_LEVEL_INFO => LogLevel.Information,
        QnnLog_Level_t.QNN_LOG_LEVEL_VERBOSE => LogLevel.Debug,
        QnnLog_Level_t.QNN_LOG_LEVEL_DEBUG => LogLevel.Trace,
        _ => LogLevel.Information,
    };
}
