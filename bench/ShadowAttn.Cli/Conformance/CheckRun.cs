using System.Runtime.InteropServices;
using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance;

/// <summary>The checks of one area on one backend, each with a client of its own, and what came of them.</summary>
/// <param name="library">The backend.</param>
/// <param name="area">The area's name.</param>
/// <param name="operators">Operators that the backend lists.</param>
/// <param name="isGuarded">Whether the backend is known to survive what makes HTP crash, such as buffers that are too small.</param>
/// <param name="finished">Told of every check.</param>
internal sealed class CheckRun(
    QnnLibrary library, string area, IReadOnlySet<string> operators, bool isGuarded, Action<CheckReport> finished)
{
    /// <summary>Whether the backend takes handles and pointers that are wrong as errors where HTP would crash or read what is not there.</summary>
    public bool IsGuarded => isGuarded;

    /// <summary>Whether it is an HTP backend, which is known to look handles up and not to follow them.</summary>
    public bool IsHtp => library.Info.BackendId == QnnApi.QNN_BACKEND_ID_HTP;

    /// <summary>A check with a started client.</summary>
    public void Check(string name, Func<RawClient, Verdict> body) => CheckLibrary(name, backend =>
    {
        using var client = new RawClient(backend);
        return body(client);
    });

    /// <summary>A check of an operator; not supported where the backend does not list it.</summary>
    public void CheckOperator(string op, string name, Func<RawClient, Verdict> body) => CheckLibrary(name, backend =>
    {
        if (!operators.Contains(op))
        {
            return Verdict.NotSupported($"backendGetSupportedOperations does not list {op}");
        }

        using var client = new RawClient(backend);
        return body(client);
    });

    /// <summary>A check that starts what it needs itself.</summary>
    public void CheckLibrary(string name, Func<QnnLibrary, Verdict> body)
    {
        Verdict verdict;
        try
        {
            verdict = body(library);
        }
        catch (CheckFailedException e)
        {
            verdict = new Verdict(CheckResult.Fail, e.Message);
        }
        catch (NotOfferedException e)
        {
            verdict = Verdict.NotSupported(e.Message);
        }
        catch (QnnNotSupportedException e)
        {
            verdict = Verdict.NotSupported(e.Message);
        }
        catch (Exception e)
        {
            // A backend that answers nonsense shows in whatever way; the other checks still have something to say.
            verdict = new Verdict(CheckResult.Fail, $"{e.GetType().Name}: {e.Message}");
        }

        finished(new CheckReport(area, name, verdict));
    }

    /// <summary>Names of the operators that a backend lists; none where it does not say.</summary>
    public static unsafe IReadOnlySet<string> OperatorsOf(QnnLibrary library)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            using var client = new RawClient(library);
            uint count = 0;
            QnnBackend_OperationName_t* list = null;
            if (client.Table.backendGetSupportedOperations != null
                && client.Table.backendGetSupportedOperations(client.Backend, &count, &list) == Expect.Success && list != null)
            {
                for (uint i = 0; i < count; i++)
                {
                    names.Add(Marshal.PtrToStringUTF8((nint)list[i].name) ?? "");
                }
            }
        }
        catch (CheckFailedException)
        {
            // Every check will say so.
        }

        return names;
    }
}
