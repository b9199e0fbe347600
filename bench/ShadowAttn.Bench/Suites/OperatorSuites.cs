namespace ShadowAttn.Bench.Suites;

/// <summary>All suites, by the names of their operators.</summary>
public static class OperatorSuites
{
    /// <summary>The suite types, ordered by operator name.</summary>
    public static IReadOnlyDictionary<string, Type> ByOperator { get; } = Find();

    private static SortedDictionary<string, Type> Find()
    {
        var suites = new SortedDictionary<string, Type>(StringComparer.Ordinal);
        foreach (Type type in typeof(OperatorSuite).Assembly.GetTypes())
        {
            if (type.IsSubclassOf(typeof(OperatorSuite)))
            {
                using var suite = (OperatorSuite)Activator.CreateInstance(type)!;
                suites.Add(suite.Operator, type);
            }
        }

        return suites;
    }
}
