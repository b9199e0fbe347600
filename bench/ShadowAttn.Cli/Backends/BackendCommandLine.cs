using System.CommandLine;
using ShadowAttn.Cli.Terminal;
using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Backends;

/// <summary>The options of commands that use a QNN backend.</summary>
internal sealed class BackendCommandLine
{
    private const int MostDevices = 1023;
    private const int MostMegabytes = 1024;

    private readonly Option<string> _backend = OptionParsing.Parsed("--backend", "soft|PATH", $"{QnnSearchPlaces.BackendVariable}, else soft",
        "soft: the built-in QNN backend; otherwise the path of a QNN backend library", ParseBackend);

    private readonly Option<QnnPowerProfile> _power = OptionParsing.Parsed("--power", "default|burst|sustained|balanced", "default",
        "Vote on the HTP's clocks for the time of the command", (option, text) => OptionParsing.Choice(option, text,
            ("default", QnnPowerProfile.Default), ("burst", QnnPowerProfile.Burst), ("sustained", QnnPowerProfile.Sustained),
            ("balanced", QnnPowerProfile.Balanced)));

    private readonly Option<int> _rpcPolling = OptionParsing.Parsed("--rpc-polling", "US", "0",
        "Microseconds for which the CPU polls for the HTP's results instead of sleeping",
        (option, text) => OptionParsing.Number(option, text, 0, QnnPowerVote.MostRpcPollingMicroseconds));

    private readonly Option<QnnPriority> _priority = OptionParsing.Parsed("--priority", "low|normal|normal-high|high", "the backend's",
        "Priority of the graphs among all contexts of the device", (option, text) => OptionParsing.Choice(option, text,
            ("low", QnnPriority.Low), ("normal", QnnPriority.Normal), ("normal-high", QnnPriority.NormalHigh), ("high", QnnPriority.High)));

    private readonly Option<int> _device = OptionParsing.Parsed("--device", "N", "the backend's",
        "Number of the device, of those that the backend lists", (option, text) => OptionParsing.Number(option, text, 0, MostDevices));

    private readonly Option<int> _vtcm = OptionParsing.Parsed("--vtcm", "MB", "the backend's",
        "Tightly coupled memory of a graph; 0 takes all", (option, text) => OptionParsing.Number(option, text, 0, MostMegabytes));

    private readonly Option<int> _hvx = OptionParsing.Parsed("--hvx-threads", "N", "the backend's",
        "Vector threads of a graph", (option, text) => OptionParsing.Number(option, text, 1, 64));

    private readonly Option<int> _optimization = OptionParsing.Parsed("--optimization", "1|2|3", "the backend's",
        "How hard the HTP works on a graph when it prepares it", (option, text) => OptionParsing.Number(option, text, 1, 3));

    private readonly Option<QnnProfileLevel> _profile = OptionParsing.Parsed("--profile", "basic|detailed", "off",
        "Report the backend's profiling events of one call", (option, text) => OptionParsing.Choice(option, text,
            ("basic", QnnProfileLevel.Basic), ("detailed", QnnProfileLevel.Detailed)));

    private readonly Option<string> _cache = OptionParsing.Parsed("--cache", "on|off|DIR", "on for backends from a file",
        "Keep prepared contexts on disk", ParseCache);

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            _backend, _power, _rpcPolling, _priority, _device, _vtcm, _hvx, _optimization, _profile, _cache,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>What was given on a command line, or its defaults.</summary>
    public BackendOptions Read(ParseResult result)
    {
        string? cache = result.GetValue(_cache);
        bool isGiven = result.GetResult(_backend) is not null;
        return new BackendOptions
        {
            Path = isGiven ? BuiltInOrPath(result.GetRequiredValue(_backend)) : FromEnvironment(),
            IsPathFromVariable = !isGiven,
            Power = result.ValueOr(_power, QnnPowerProfile.Default),
            RpcPollingMicroseconds = result.ValueOr(_rpcPolling, 0),
            Device = new QnnDeviceOptions { DeviceId = (uint?)Given(result, _device) },
            Context = new QnnContextOptions { Priority = Given(result, _priority) },
            Graph = new QnnGraphOptions
            {
                VtcmMegabytes = Given(result, _vtcm),
                HvxThreads = Given(result, _hvx),
                OptimizationLevel = Given(result, _optimization),
            },
            Profile = Given(result, _profile),
            CacheFolder = cache is "on" or "off" ? null : cache,
            UseCache = cache switch { null => null, "off" => false, _ => true },
        };
    }

    private static T? Given<T>(ParseResult result, Option<T> option)
        where T : struct
        => result.GetResult(option) is null ? null : result.GetValue(option);

    private static string? FromEnvironment() =>
        Environment.GetEnvironmentVariable(QnnSearchPlaces.BackendVariable) is { Length: > 0 } path ? path : null;

    // Parsers give text: a null from one is taken for a failure.
    private static string ParseBackend(string option, string text) => string.IsNullOrWhiteSpace(text)
        ? throw new InputException($"{option}: is empty; it must be soft or the path of a QNN backend library")
        : text;

    private static string? BuiltInOrPath(string text) => text == BackendOptions.BuiltIn ? null : text;

    private static string ParseCache(string option, string text) => string.IsNullOrWhiteSpace(text)
        ? throw new InputException($"{option}: is empty; it must be on, off or a folder")
        : text;
}
