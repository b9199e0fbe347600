using System.CommandLine;

namespace ShadowAttn.Cli.Terminal;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    /// <summary><c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Report as JSON", Arity = ArgumentArity.Zero };

    /// <summary><c>--verbose</c>, of all commands.</summary>
    public static Option<bool> Verbose() => new("--verbose")
    {
        Description = "Say more: the backend's log, and where an internal error came from",
        Arity = ArgumentArity.Zero,
        Recursive = true,
    };
}
