namespace ShadowAttn.Model.Gguf;

/// <summary>Types of metadata values, with the numbers that the file has.</summary>
internal enum GgufValueType : uint
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>Where a metadata value is; it is decoded when it is asked for.</summary>
/// <param name="Type">The value's type.</param>
/// <param name="ElementType">The elements' type if it is an array.</param>
/// <param name="Count">Elements; 1 if it is no array.</param>
/// <param name="Offset">Byte offset in the file of the value, or of the first element.</param>
internal readonly record struct GgufValue(GgufValueType Type, GgufValueType ElementType, long Count, long Offset);
