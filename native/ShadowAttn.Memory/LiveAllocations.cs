namespace ShadowAttn.Memory;

/// <summary>What this process has allocated through <see cref="UnmanagedBuffer"/> and not freed yet.</summary>
/// <param name="Count">Number of buffers.</param>
/// <param name="Bytes">Sum of their <see cref="UnmanagedBuffer.ByteLength"/>; page rounding and guard pages not included.</param>
public readonly record struct LiveAllocations(long Count, long Bytes);
