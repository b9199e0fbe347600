using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ShadowAttn.Native;

// The structs of shadowattn.h, field by field; a test compares the layouts with those that a C compiler gives the header.

[StructLayout(LayoutKind.Sequential)]
internal struct SaUsage
{
    public uint Size;
    public uint Handles;
    public long Buffers;
    public long Bytes;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SaBackendOptions
{
    public uint Size;
    public uint Threads;
    public int Power;
    public uint RpcPollingUs;
    public byte* CacheFolder;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SaProfileInfo
{
    public uint Size;
    public uint Heads;
    public uint KvHeads;
    public uint HeadDim;
    public uint MinKeys;
    public uint Layers;
    public uint FirstLayer;
    public uint LastLayer;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SaAttentionOptions
{
    public uint Size;
    public uint Heads;
    public uint KvHeads;
    public uint HeadDim;
    public int Mode;
    public int Tail;
    public int Mask;
    public int Exact;
    public float Keep;
    public float Mass;
    public float Scale;
    public uint MinKeys;
    public uint SlidingWindow;
    public uint Sinks;
    public uint LocalWindow;
    public uint Threads;
    public uint MaxPlans;
    public uint Layer;
    public int Crossover;
    public int Reserved;
    public float* KeepPerHead;
    public float* AlibiSlopes;
    public nint Workers;
    public nint Profile;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SaTensor
{
    public void* Data;
    public long HeadStride;
    public long RowStride;
    public int Dtype;
    public int Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SaOperatorTime
{
    public OperatorName Name;
    public int Device;
    public int Reserved;
    public double Ms;

    [InlineArray(Length)]
    public struct OperatorName
    {
        public const int Length = 24;

        private byte first;
    }
}

[StructLayout(LayoutKind.Sequential)]
internal struct SaStats
{
    public uint Size;
    public uint Threads;
    public double TotalMs;
    public double ExposedEstimateMs;
    public long KeptKeys;
    public long VisibleKeys;
    public long RescoredRows;
    public long ExactScores;
    public long BytesCopied;
    public long AllocatedBytes;
    public uint OperatorCount;
    public uint Reserved;
    public OperatorTimes Operators;

    [InlineArray(Length)]
    public struct OperatorTimes
    {
        public const int Length = 12;

        private SaOperatorTime first;
    }
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SaCall
{
    public uint Size;
    public uint Reserved;
    public nint Cancellation;
    public SaStats* Stats;
    public delegate* unmanaged[Cdecl]<void*, uint, void> HeadCompleted;
    public void* HeadUser;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SaCacheOptions
{
    public uint Size;
    public uint Capacity;
    public int Dtype;
    public int Reserved;
}
