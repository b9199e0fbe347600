using ShadowAttn.Attention;

namespace ShadowAttn.Model.Products;

/// <summary>Shares the rows of an elementwise step out to the workers.</summary>
internal sealed class RowWork(WorkerPool pool) : IWorkerJob
{
    private const int RowsPerItem = 16;

    private Action<int>? body;
    private int rows;
    private int next;

    /// <summary>Calls a function for every row.</summary>
    /// <param name="rowCount">Rows.</param>
    /// <param name="forRow">Called once per row, on any worker.</param>
    public void Run(int rowCount, Action<int> forRow)
    {
        rows = rowCount;
        body = forRow;
        next = 0;
        if (rowCount <= RowsPerItem)
        {
            Run(0);
        }
        else
        {
            pool.Run(this);
        }
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        for (int first; (first = Interlocked.Add(ref next, RowsPerItem) - RowsPerItem) < rows;)
        {
            for (int row = first; row < Math.Min(rows, first + RowsPerItem); row++)
            {
                body!(row);
            }
        }
    }
}
