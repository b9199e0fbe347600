namespace ShadowAttn.Interop;

/// <summary>
/// How many functions the interface table of a core API version has. The table only grows at its end since 2.18, and what
/// lies behind a table's end in a provider's memory is anything, so only that many may be read.
/// </summary>
static class QnnSlots
{
    /// <summary>Functions in the table of core API 2.<paramref name="minor"/>, at most the 71 that the bindings know.</summary>
    public static int CountIn(int minor) => minor switch
    {
        < 22 => 62,  // up to contextApplyBinarySection, which came with 2.18
        < 25 => 64,  // backendGetProperty, contextGetProperty
        < 26 => 66,  // contextGetIncrementalBinary, contextReleaseIncrementalBinary
        < 27 => 67,  // contextFinalize
        < 28 => 68,  // globalConfigSet
        < 32 => 69,  // contextCreateFromBinaryWithCallback
        _ => 71,     // contextGetBinarySectionUpdate, contextFreeBinarySectionUpdate
    };
}
