using ShadowAttn.Interop;

namespace ShadowAttn.Cli.Conformance;

/// <summary>How a check ended.</summary>
internal enum CheckResult
{
    Pass,
    Fail,
    NotSupported,
}

/// <summary>The end of a check.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Detail">What was seen; of a failure, what was expected too.</param>
/// <param name="KnownDifference">Where the backend does otherwise than the interface promises and HTP is known to do the same: what it is.</param>
internal sealed record Verdict(CheckResult Result, string Detail, string? KnownDifference = null)
{
    public static Verdict Pass(string detail = "", string? knownDifference = null) => new(CheckResult.Pass, detail, knownDifference);

    public static Verdict NotSupported(string detail, string? knownDifference = null) => new(CheckResult.NotSupported, detail, knownDifference);
}

/// <summary>A check found the backend to be wrong.</summary>
/// <param name="message">What was expected and what came.</param>
internal sealed class CheckFailedException(string message) : Exception(message);

/// <summary>What a check is about is nothing that the backend offers.</summary>
/// <param name="message">How the backend says so.</param>
internal sealed class NotOfferedException(string message) : Exception(message);

/// <summary>Expectations that end a check when they are not met.</summary>
internal static class Expect
{
    public const ulong Success = 0;

    /// <summary>The backend's way to say that it does not have a feature.</summary>
    public const ulong NotSupported = 1000;

    /// <summary>A call returns this status.</summary>
    /// <exception cref="CheckFailedException">It returned another.</exception>
    public static void Status(string call, ulong expected, ulong actual)
    {
        if (actual != expected)
        {
            throw new CheckFailedException($"{call}: expected {Name(expected)}, actual {Name(actual)}");
        }
    }

    /// <summary>A call returns one of these statuses.</summary>
    /// <exception cref="CheckFailedException">It returned another.</exception>
    public static void Status(string call, ReadOnlySpan<ulong> expected, ulong actual)
    {
        if (!expected.Contains(actual))
        {
            string names = string.Join(" or ", expected.ToArray().Select(Name));
            throw new CheckFailedException($"{call}: expected {names}, actual {Name(actual)}");
        }
    }

    /// <summary>A call succeeds.</summary>
    /// <exception cref="CheckFailedException">It did not.</exception>
    public static void Ok(string call, ulong actual) => Status(call, Success, actual);

    /// <summary>A call of an optional feature succeeds, or says that there is no such feature.</summary>
    /// <exception cref="NotOfferedException">It says so.</exception>
    /// <exception cref="CheckFailedException">It failed in another way.</exception>
    public static void OkOrNotOffered(string call, ulong actual)
    {
        if (actual == NotSupported)
        {
            throw new NotOfferedException($"{call} says {Name(actual)}");
        }

        Ok(call, actual);
    }

    /// <summary>A call fails, with whatever status.</summary>
    /// <exception cref="CheckFailedException">It succeeded.</exception>
    public static void Refusal(string call, ulong actual)
    {
        if (actual == Success)
        {
            throw new CheckFailedException($"{call}: expected an error, actual {Name(actual)}");
        }
    }

    /// <summary>Something holds.</summary>
    /// <param name="holds">Whether it does.</param>
    /// <param name="message">What was expected and what came, if not.</param>
    /// <exception cref="CheckFailedException">It does not.</exception>
    public static void That(bool holds, string message)
    {
        if (!holds)
        {
            throw new CheckFailedException(message);
        }
    }

    /// <summary>A value is this one.</summary>
    /// <exception cref="CheckFailedException">It is another.</exception>
    public static void Equal<T>(string what, T expected, T actual)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new CheckFailedException($"{what}: expected {expected}, actual {actual}");
        }
    }

    /// <summary>A status with its constant's name.</summary>
    public static string Name(ulong status)
    {
        QnnStatus known = QnnStatus.FromCode(status);
        return known.Name.Length > 0 ? $"{status} ({known.Name})" : $"{status}";
    }
}
