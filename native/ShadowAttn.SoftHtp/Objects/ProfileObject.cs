using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.SoftHtp.Objects;

/// <summary>One profiling event before it has an id.</summary>
internal sealed record ProfileEvent(uint Type, uint Unit, ulong Value, string Identifier, params ProfileEvent[] SubEvents);

/// <summary>
/// A profile: the events of the last call that it was given to, as HTP does it. An event's id says which profile and which call it is
/// of: <c>table index (24 bits) | generation (12) | call (12) | event (16, from 1)</c>.
/// </summary>
internal sealed unsafe class ProfileObject : QnnObject
{
    const int MostEvents = ushort.MaxValue;

    readonly BackendObject _backend;
    readonly Lock _gate = new();
    readonly NativeRegion _region = new();
    readonly List<Stored> _events = [];
    ulong* _top;
    uint _topCount;
    uint _call;

    readonly struct Stored(QnnProfile_EventData_t data, ulong* subEvents, uint subCount)
    {
        internal readonly QnnProfile_EventData_t Data = data;
        internal readonly ulong* SubEvents = subEvents;
        internal readonly uint SubCount = subCount;
    }

    internal ProfileObject(BackendObject backend, uint level)
        : base(backend.Instance, HandleKind.Profile)
    {
        _backend = backend;
        IsDetailed = level != QnnApi.QNN_PROFILE_LEVEL_BASIC;
    }

    /// <summary>Whether single nodes are wanted.</summary>
    internal bool IsDetailed { get; }

    /// <summary>Most top-level events that the client wants.</summary>
    internal ulong MaxEvents { get; set; } = MostEvents;

    /// <summary>Replaces the events by those of another call.</summary>
    internal void Record(params ReadOnlySpan<ProfileEvent> events)
    {
        lock (_gate)
        {
            _region.Free();
            _events.Clear();
            _call++;
            _top = Store(events[..(int)Math.Min((ulong)events.Length, MaxEvents)], out _topCount);
        }
    }

    internal void Events(ulong** ids, uint* count)
    {
        lock (_gate)
        {
            *ids = _top;
            *count = _topCount;
        }
    }

    internal bool TryGet(ulong id, out QnnProfile_EventData_t data, out ulong* subEvents, out uint subCount)
    {
        lock (_gate)
        {
            int index = (int)(id & 0xFFFF) - 1;
            bool isCurrent = (id | 0xFFFF) == (IdOf(0) | 0xFFFF) && index >= 0 && index < _events.Count;
            Stored stored = isCurrent ? _events[index] : default;
            data = stored.Data;
            subEvents = stored.SubEvents;
            subCount = stored.SubCount;
            return isCurrent;
        }
    }

    /// <summary>The profile that an event is of, entered; null when there is none any more.</summary>
    internal static ProfileObject? EnterOwner(ulong id) =>
        HandleTable.TryEnter((int)(id >> 40), out ProfileObject? profile) ? profile : null;

    ulong* Store(ReadOnlySpan<ProfileEvent> events, out uint count)
    {
        count = 0;
        ulong* ids = _region.Allocate<ulong>(events.Length);
        foreach (ProfileEvent recorded in events)
        {
            ulong* subEvents = Store(recorded.SubEvents, out uint subCount);
            if (_events.Count >= MostEvents)
            {
                break;
            }
            var data = new QnnProfile_EventData_t
            {
                type = recorded.Type,
                unit = recorded.Unit,
                value = recorded.Value,
                identifier = _region.Text(recorded.Identifier),
            };
            _events.Add(new Stored(data, subEvents, subCount));
            ids[count++] = IdOf(_events.Count);
        }
        return ids;
    }

    ulong IdOf(int number) =>
        (HandleTable.IndexOf(this) << 40) | ((HandleTable.GenerationOf(this) % 4096) << 28) | ((_call % 4096) << 16) | (uint)number;

    protected override void OnClosed() => _backend.Disown(this);

    protected override void Destroy() => _region.Free();
}
