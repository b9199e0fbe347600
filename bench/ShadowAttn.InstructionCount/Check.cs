using ShadowAttn.Kernels;

namespace ShadowAttn.InstructionCount;

/// <summary>Whether two implementations agree: a count is worth nothing if they do not.</summary>
internal static unsafe class Check
{
    private const float Tolerance = 1e-4f;

    /// <summary>Bytes [rows, columns]; causal: only those up to the diagonal.</summary>
    public static void Equal(string what, sbyte* a, sbyte* b, int rows, int columns, bool causal)
    {
        for (int row = 0; row < rows; row++)
        {
            Equal(what, (byte*)a + (row * columns), (byte*)b + (row * columns), causal ? row + 1 : columns);
        }
    }

    public static void Equal(string what, byte* a, byte* b, int count)
    {
        if (!new ReadOnlySpan<byte>(a, count).SequenceEqual(new ReadOnlySpan<byte>(b, count)))
        {
            throw new InvalidOperationException($"{what}: differ");
        }
    }

    /// <summary>Three lists, <paramref name="room"/> entries apart.</summary>
    public static void Equal(string what, SplitCounts a, SplitCounts b, int* listA, int* listB, int room)
    {
        if (a.Both != b.Both || a.First != b.First || a.Second != b.Second)
        {
            throw new InvalidOperationException($"{what}: the lengths differ");
        }

        Equal(what, (byte*)listA, (byte*)listB, a.Both * sizeof(int));
        Equal(what, (byte*)(listA + room), (byte*)(listB + room), a.First * sizeof(int));
        Equal(what, (byte*)(listA + (2 * room)), (byte*)(listB + (2 * room)), a.Second * sizeof(int));
    }

    public static void Near(string what, float* a, float* b, int count, float tolerance = Tolerance)
    {
        for (int i = 0; i < count; i++)
        {
            if (!(MathF.Abs(a[i] - b[i]) <= tolerance * MathF.Max(1, MathF.Abs(a[i]))))
            {
                throw new InvalidOperationException($"{what}: {a[i]} and {b[i]} at {i}");
            }
        }
    }
}
