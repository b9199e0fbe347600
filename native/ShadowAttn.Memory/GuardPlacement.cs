namespace ShadowAttn.Memory;

/// <summary>Which end of a guarded buffer touches an inaccessible page.</summary>
public enum GuardPlacement
{
    /// <summary>The last byte is directly before the page: reading or writing past the end faults.</summary>
    After,

    /// <summary>The first byte is directly behind the page: reading or writing before the start faults.</summary>
    Before,
}
