namespace ShadowAttn.Interop;

/// <summary>Why a library cannot serve as a QNN backend.</summary>
public enum QnnLoadFailure
{
    /// <summary>There is no such file.</summary>
    FileMissing,

    /// <summary>The loader refused the file: no shared library, another architecture, or a dependency is missing.</summary>
    NotALibrary,

    /// <summary>A shared library without <c>QnnInterface_getProviders</c> (or <c>QnnSystemInterface_getProviders</c>).</summary>
    NotQnn,

    /// <summary>The library offers no interface provider.</summary>
    NoProviders,

    /// <summary>No provider has a core API version that this layer speaks.</summary>
    UnsuitableVersion,

    /// <summary>A search found no usable library at all.</summary>
    NothingFound,
}

/// <summary>A QNN library could not be loaded or has no suitable interface provider.</summary>
public sealed class QnnLoadException : QnnException
{
    /// <summary>Creates the exception with a one-line message.</summary>
    public QnnLoadException(QnnLoadFailure failure, string library, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Failure = failure;
        Library = library;
    }

    /// <summary>What went wrong, for programs.</summary>
    public QnnLoadFailure Failure { get; }

    /// <summary>The path or name that was to be loaded.</summary>
    public string Library { get; }
}
