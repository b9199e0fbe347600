namespace ShadowAttn.Native;

/// <summary><c>sa_status</c>; the header says what each means.</summary>
internal enum SaStatus
{
    Ok = 0,
    Argument = 1,
    Handle = 2,
    StructSize = 3,
    Busy = 4,
    Cancelled = 5,
    BackendLoad = 6,
    Backend = 7,
    NotSupported = 8,
    Memory = 9,
    File = 10,
    Format = 11,
    Capacity = 12,
    Limit = 13,
    Internal = 14,
}
