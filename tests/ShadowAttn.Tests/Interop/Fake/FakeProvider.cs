using System.Runtime.InteropServices;
using System.Text;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;
using ShadowAttn.Memory;
using Xunit;

namespace ShadowAttn.Tests.Interop.Fake;

/// <summary>
/// A provider table that is no real backend: it records calls, hands out numbers as handles, fails where told to, and copies
/// input 0 to output 0 when it executes. The table ends at an inaccessible page, so reading a slot too many faults.
/// One at a time.
/// </summary>
sealed unsafe partial class FakeProvider : IDisposable
{
    /// <summary>Bytes before the functions in <see cref="QnnInterface_t"/>.</summary>
    static readonly int HeaderBytes = sizeof(QnnInterface_t) - sizeof(QnnInterface_ImplementationV2_32_t);

    static FakeProvider? s_current;

    readonly UnmanagedBuffer _memory;
    readonly nint _name;
    readonly HashSet<nint> _live = [];
    readonly HashSet<nint> _issued = [];

    // Never used again, so that what a former test forgot cannot be mistaken for this one's.
    static int s_nextHandle = 100;

    public FakeProvider(int major = 2, int minor = 32, string name = "HTP_FAKE", uint backendId = QnnApi.QNN_BACKEND_ID_HTP,
        int slots = 71, params ReadOnlySpan<string> missing)
    {
        Assert.Null(s_current);
        s_current = this;
        _name = Marshal.StringToCoTaskMemUTF8(name);
        var whole = new QnnInterface_t { backendId = backendId, providerName = (sbyte*)_name };
        whole.apiVersion.coreApiVersion = new Qnn_Version_t { major = (uint)major, minor = (uint)minor };
        whole.apiVersion.backendApiVersion = new Qnn_Version_t { major = 5, minor = 43 };
        FillTable(ref whole.v2_32);
        foreach (string slot in missing)
        {
            int index = Array.FindIndex(typeof(QnnInterface_ImplementationV2_32_t).GetFields(), field => field.Name == slot);
            Assert.True(index >= 0, slot);
            ((nint*)&whole.Anonymous)[index] = 0;
        }
        int bytes = HeaderBytes + slots * sizeof(nint);
        _memory = UnmanagedBuffer.AllocateGuarded(bytes, GuardPlacement.After, alignment: 8);
        new ReadOnlySpan<byte>(&whole, bytes).CopyTo(new Span<byte>(_memory.Pointer, bytes));
    }

    public QnnInterface_t* Table => (QnnInterface_t*)_memory.Pointer;

    /// <summary>Every call in order.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>Calls that return this status instead of working.</summary>
    public Dictionary<string, ulong> Fails { get; } = [];

    /// <summary>Calls that report success but hand out null.</summary>
    public HashSet<string> ReturnsNull { get; } = [];

    /// <summary>Lines to log when a call is made: level and text.</summary>
    public Dictionary<string, (QnnLog_Level_t Level, string Text)[]> Logs { get; } = [];

    /// <summary>Handles that were handed out and not freed.</summary>
    public int LiveHandles
    {
        get
        {
            lock (_live)
            {
                return _live.Count;
            }
        }
    }

    /// <summary>Handles that were freed again.</summary>
    public int FreedTwice { get; private set; }

    /// <summary>What the last execution got for each tensor, inputs first.</summary>
    public List<(uint Id, Qnn_TensorMemType_t MemType, nint Data, uint DataBytes)> LastExecution { get; } = [];

    public byte[] Binary { get; set; } = [1, 2, 3, 4];

    public ulong ClaimedBinaryBytes { get; set; } = 4;

    /// <summary>If set, asynchronous executions wait for it.</summary>
    public ManualResetEventSlim? HoldExecution { get; set; }

    public List<string> GraphConfigs { get; } = [];

    public delegate* unmanaged[Cdecl]<sbyte*, QnnLog_Level_t, ulong, void*, void> LogCallback { get; private set; }

    public QnnLibrary Library(object? owner = null) => QnnLibrary.FromProviderTable(Table, "fake", owner);

    public void Dispose()
    {
        s_current = null;
        _memory.Dispose();
        Marshal.FreeCoTaskMem(_name);
        Assert.Equal(0, FreedTwice);
    }

    /// <summary>Records a call and tells what it returns.</summary>
    static ulong Enter(string call)
    {
        FakeProvider fake = s_current!;
        lock (fake.Calls)
        {
            fake.Calls.Add(call);
        }
        string name = call.Split(' ')[0];
        if (fake.Logs.TryGetValue(name, out (QnnLog_Level_t, string)[]? lines))
        {
            foreach ((QnnLog_Level_t level, string text) in lines)
            {
                fake.Log(level, text);
            }
        }
        return fake.Fails.GetValueOrDefault(name);
    }

    /// <summary>Records a call that hands out a handle.</summary>
    static ulong Create(string call, void** handle)
    {
        ulong status = Enter(call);
        FakeProvider fake = s_current!;
        if (status == 0)
        {
            *handle = fake.ReturnsNull.Contains(call.Split(' ')[0]) ? null : (void*)fake.NewHandle();
        }
        return status;
    }

    static ulong Free(string call, void* handle)
    {
        if (s_current is not FakeProvider fake || !fake._issued.Contains((nint)handle))
        {
            return 0;
        }
        ulong status = Enter(call);
        lock (fake._live)
        {
            fake.FreedTwice += fake._live.Remove((nint)handle) ? 0 : 1;
        }
        return status;
    }

    nint NewHandle()
    {
        nint handle = Interlocked.Increment(ref s_nextHandle);
        lock (_live)
        {
            _issued.Add(handle);
            _live.Add(handle);
        }
        return handle;
    }

    void Log(QnnLog_Level_t level, string text)
    {
        if (LogCallback != null)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text + '\0');
            fixed (byte* format = bytes)
            {
                LogCallback((sbyte*)format, level, 0, null);
            }
        }
    }
}
