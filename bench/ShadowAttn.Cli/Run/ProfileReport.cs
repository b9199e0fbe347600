using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Run;

/// <summary>A profiling event of the backend in JSON.</summary>
internal sealed record ProfileReport(string Name, string Unit, ulong Value, string Identifier, ProfileReport[] Events)
{
    public static ProfileReport[] From(IReadOnlyList<QnnProfileRecord> records) =>
    [
        .. records.Select(r => new ProfileReport(
            r.TypeName.Length > 0 ? r.TypeName : $"event {r.Type}", r.Unit.ToString().ToLowerInvariant(), r.Value, r.Identifier, From(r.Events))),
    ];

    /// <summary>The event and those within it, with their depth.</summary>
    public IEnumerable<(int Depth, ProfileReport Event)> Flatten(int depth = 0) =>
        Events.SelectMany(e => e.Flatten(depth + 1)).Prepend((depth, this));
}
