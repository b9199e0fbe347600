using ShadowAttn.Cli;
using ShadowAttn.Cli.Terminal;

return EntryPoint.Run(args, CommandConsole.OfProcess());
