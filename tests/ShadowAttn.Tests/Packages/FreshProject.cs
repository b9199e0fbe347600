using System.IO.Compression;
using System.Runtime.InteropServices;
using Xunit;

namespace ShadowAttn.Tests.Packages;

/// <summary>A program in a folder of its own that has nothing but packages: restored, built, published ahead of time and run there.</summary>
internal sealed class FreshProject : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string name;

    public FreshProject(string name, string[] packages, string program)
    {
        this.name = name;
        PackageFolder.WriteConfiguration(folder.Path);
        File.WriteAllText(folder.File("Program.cs"), program);
        File.WriteAllText(folder.File(name + ".csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
                <InvariantGlobalization>true</InvariantGlobalization>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <TrimmerSingleWarn>false</TrimmerSingleWarn>
                <IsAotCompatible>true</IsAotCompatible>
              </PropertyGroup>
              <ItemGroup>
                {string.Concat(packages.Select(p => $"<PackageReference Include=\"{p}\" Version=\"{PackageFolder.Version}\" />"))}
              </ItemGroup>
            </Project>
            """);
    }

    public string Run(params string[] arguments)
    {
        PackageFolder.Dotnet(folder.Path, "build", "-c", "Release", "-o", folder.File("managed"), "-v", "quiet");
        return PackageFolder.Run(folder.Path, PackageFolderHost(), [folder.File(Path.Combine("managed", name + ".dll")), .. arguments]);
    }

    public string RunAheadOfTime(params string[] arguments)
    {
        PackageFolder.Dotnet(
            folder.Path, "publish", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "-p:PublishAot=true", "-o", folder.File("native"), "-v", "quiet");
        return PackageFolder.Run(folder.Path, folder.File(Path.Combine("native", name)), arguments);
    }

    /// <summary>No package of an earlier build came from a cache of the machine.</summary>
    public void AssertPackagesAreThoseOfTheFolder()
    {
        string[] libraries = [.. Directory.GetFiles(folder.File("managed"), "ShadowAttn.*.dll")];
        Assert.NotEmpty(libraries);
        foreach (string library in libraries)
        {
            using ZipArchive archive = ZipFile.OpenRead(PackageFolder.FileOf(Path.GetFileNameWithoutExtension(library)));
            using var packed = new MemoryStream();
            using (Stream stream = archive.GetEntry($"lib/net10.0/{Path.GetFileName(library)}")!.Open())
            {
                stream.CopyTo(packed);
            }

            Assert.True(packed.ToArray().AsSpan().SequenceEqual(File.ReadAllBytes(library)), $"{Path.GetFileName(library)} is not that of the packed package");
        }
    }

    public void Dispose() => folder.Dispose();

    private static string PackageFolderHost() => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
}
