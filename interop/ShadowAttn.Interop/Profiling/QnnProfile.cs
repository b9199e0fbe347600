using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>How closely a backend profiles.</summary>
public enum QnnProfileLevel
{
    /// <summary>Whole calls.</summary>
    Basic = QnnApi.QNN_PROFILE_LEVEL_BASIC,

    /// <summary>Nodes too, where the backend can.</summary>
    Detailed = QnnApi.QNN_PROFILE_LEVEL_DETAILED,
}

/// <summary>Collects a backend's profiling events. Pass it to calls, then read it. For one thread at a time.</summary>
public sealed unsafe class QnnProfile : IDisposable
{
    // Backends nest events two or three deep; more is a loop in what a broken one returns.
    const int MostLevels = 8;

    readonly QnnDriver _driver;

    QnnProfile(QnnDriver driver, QnnHandle handle, QnnProfileLevel level)
    {
        _driver = driver;
        Handle = handle;
        Level = level;
    }

    /// <summary>How closely it profiles.</summary>
    public QnnProfileLevel Level { get; }

    internal QnnHandle Handle { get; }

    /// <summary>The events collected so far.</summary>
    /// <exception cref="QnnCallException">The backend failed.</exception>
    /// <exception cref="ObjectDisposedException">The profile was disposed.</exception>
    public IReadOnlyList<QnnProfileRecord> Read()
    {
        using var hold = new HandleHold(Handle);
        ulong* events = null;
        uint count = 0;
        _driver.Check(_driver.Table.profileGetEvents(Handle.Value, &events, &count), "profileGetEvents");
        return Read(events, count, level: 0);
    }

    /// <summary>Frees the profile.</summary>
    public void Dispose() => Handle.Dispose();

    internal static QnnProfile Create(QnnBackend backend, QnnProfileLevel level)
    {
        QnnDriver driver = backend.Driver;
        using var hold = new HandleHold(backend.Handle);
        driver.Require(driver.Table.profileCreate, "profileCreate");
        driver.Require(driver.Table.profileFree, "profileFree");
        driver.Require(driver.Table.profileGetEvents, "profileGetEvents");
        driver.Require(driver.Table.profileGetEventData, "profileGetEventData");
        void* value = null;
        driver.Check(driver.Table.profileCreate(backend.Handle.Value, (uint)level, &value), "profileCreate");
        driver.CheckHandle(value, "profileCreate");
        return new QnnProfile(driver, new QnnHandle(driver, QnnHandleKind.Profile, value, backend.Handle), level);
    }

    QnnProfileRecord[] Read(ulong* events, uint count, int level)
    {
        var records = new QnnProfileRecord[events == null || level >= MostLevels ? 0 : count];
        for (int i = 0; i < records.Length; i++)
        {
            QnnProfile_EventData_t data = default;
            _driver.Check(_driver.Table.profileGetEventData(events[i], &data), "profileGetEventData");
            ulong* children = null;
            uint childCount = 0;
            if (_driver.Table.profileGetSubEvents != null)
            {
                _driver.Check(_driver.Table.profileGetSubEvents(events[i], &children, &childCount), "profileGetSubEvents");
            }
            records[i] = new QnnProfileRecord(data.type, QnnProfileRecord.NameOf(data.type), QnnProfileRecord.UnitOf(data.unit),
                data.value, NativeText.Read(data.identifier), Read(children, childCount, level + 1));
        }
        return records;
    }
}
