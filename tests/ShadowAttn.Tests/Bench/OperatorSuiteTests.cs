using System.Reflection;
using BenchmarkDotNet.Attributes;
using ShadowAttn.Bench.Suites;
using ShadowAttn.Kernels;
using Xunit;

namespace ShadowAttn.Tests.Bench;

public class OperatorSuiteTests
{
    public static IEnumerable<TheoryDataRow<string>> Operators => OperatorSuites.ByOperator.Keys.Select(name => new TheoryDataRow<string>(name));

    [Fact]
    public void EveryOperatorHasASuite()
    {
        IEnumerable<string> operators = typeof(InstructionSets).Assembly.GetExportedTypes()
            .Select(type => type.GetProperty("Kernels", BindingFlags.Public | BindingFlags.Static))
            .Where(table => table is not null)
            .Select(table => (string)table!.PropertyType.GetProperty("Name")!.GetValue(table.GetValue(null))!);

        Assert.Equal(operators.Order(StringComparer.Ordinal), OperatorSuites.ByOperator.Keys);
    }

    [Theory]
    [MemberData(nameof(Operators))]
    public void EveryBenchmarkRunsWithEveryVariantAtItsSmallestShape(string name)
    {
        Type type = OperatorSuites.ByOperator[name];
        using var suite = (OperatorSuite)Activator.CreateInstance(type)!;
        foreach (PropertyInfo parameter in type.GetProperties())
        {
            if (parameter.GetCustomAttribute<ParamsAttribute>() is { } values)
            {
                parameter.SetValue(suite, values.Values[0]);
            }
        }

        MethodInfo[] benchmarks = [.. type.GetMethods().Where(method => method.GetCustomAttribute<BenchmarkAttribute>() is not null)];
        Assert.NotEmpty(benchmarks);
        Assert.Contains(InstructionSet.Scalar, suite.Variants);
        foreach (InstructionSet variant in suite.Variants)
        {
            suite.Isa = variant;
            suite.Setup();
            foreach (MethodInfo benchmark in benchmarks)
            {
                benchmark.Invoke(suite, null);
            }

            suite.Cleanup();
        }
    }
}
