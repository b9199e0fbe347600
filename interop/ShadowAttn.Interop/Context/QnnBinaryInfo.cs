namespace ShadowAttn.Interop;

/// <summary>A graph in a context binary.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Inputs">Its inputs with their ids, in the order of execution.</param>
/// <param name="Outputs">Its outputs with their ids, in the order of execution.</param>
public sealed record QnnBinaryGraph(string Name, IReadOnlyList<QnnTensor> Inputs, IReadOnlyList<QnnTensor> Outputs);

/// <summary>What a context binary says of itself.</summary>
/// <param name="BackendId">Kind of the backend that made it; 6 is HTP.</param>
/// <param name="BuildId">Build of the backend that made it.</param>
/// <param name="CoreApiVersion">Core API of the backend that made it.</param>
/// <param name="BackendApiVersion">Backend API of the backend that made it.</param>
/// <param name="ContextBlobVersion">Version of its format.</param>
/// <param name="SocVersion">SoC that it was prepared for, as text; may be empty.</param>
/// <param name="SocModel">SoC model number that it was prepared for; 0 if it does not say.</param>
/// <param name="Graphs">Its graphs.</param>
public sealed record QnnBinaryInfo(uint BackendId, string BuildId, QnnApiVersion CoreApiVersion, QnnApiVersion BackendApiVersion,
    QnnApiVersion ContextBlobVersion, string SocVersion, uint SocModel, IReadOnlyList<QnnBinaryGraph> Graphs);
