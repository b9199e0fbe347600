namespace ShadowAttn.Tests;

/// <summary>Whether the tests run under user-mode emulation, as the arm64 script says through the environment.</summary>
internal static class Emulation
{
    public const string Variable = "SHADOWATTN_TEST_EMULATED";

    public static bool IsEmulated { get; } = Environment.GetEnvironmentVariable(Variable) == "1";
}
