using System.Globalization;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Interop;

/// <summary>A version of the QNN API: of its core, of a backend, or of the system library.</summary>
public readonly record struct QnnApiVersion(int Major, int Minor, int Patch) : IComparable<QnnApiVersion>
{
    /// <summary>The core API that the bindings describe.</summary>
    public static QnnApiVersion Bindings =>
        new(QnnApi.QNN_API_VERSION_MAJOR, QnnApi.QNN_API_VERSION_MINOR, QnnApi.QNN_API_VERSION_PATCH);

    /// <summary>The oldest core API that can be driven: from here on the API only appends.</summary>
    public static QnnApiVersion Oldest => new(2, 18, 0);

    internal static QnnApiVersion From(Qnn_Version_t version) => new((int)version.major, (int)version.minor, (int)version.patch);

    /// <inheritdoc/>
    public int CompareTo(QnnApiVersion other) => (Major, Minor, Patch).CompareTo((other.Major, other.Minor, other.Patch));

    /// <summary>Orders by major, minor and patch.</summary>
    public static bool operator <(QnnApiVersion left, QnnApiVersion right) => left.CompareTo(right) < 0;

    /// <summary>Orders by major, minor and patch.</summary>
    public static bool operator >(QnnApiVersion left, QnnApiVersion right) => left.CompareTo(right) > 0;

    /// <summary>Orders by major, minor and patch.</summary>
    public static bool operator <=(QnnApiVersion left, QnnApiVersion right) => left.CompareTo(right) <= 0;

    /// <summary>Orders by major, minor and patch.</summary>
    public static bool operator >=(QnnApiVersion left, QnnApiVersion right) => left.CompareTo(right) >= 0;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}.{Patch}");
}
