using System.CommandLine;
using System.Globalization;
using ShadowAttn.Cli;
using ShadowAttn.Cli.Bench;
using ShadowAttn.Cli.Files;
using ShadowAttn.Cli.Input;
using ShadowAttn.Cli.Run;
using ShadowAttn.Cli.Safetensors;
using ShadowAttn.Memory;

namespace ShadowAttn.Bench.Commands;

/// <summary>Writes a trace of any shape, made of another trace: what commands that take traces can be timed with.</summary>
internal static class RepeatCommand
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape") { Description = "12/2x128,4096x4096,causal: heads/KV heads x dim, queries x keys, causal or full.", Required = true };
        var output = new Option<string>("--output") { Description = "The safetensors file to write.", Required = true };
        var input = new Option<string>("--input") { Description = "The trace to repeat.", DefaultValueFactory = _ => RunOptions.BundledInput };
        var command = new Command("repeat", "A trace repeated to another shape, as a file.") { shape, output, input };
        command.SetAction(result => Run(result.GetRequiredValue(input), result.GetRequiredValue(shape), result.GetRequiredValue(output)));
        return command;
    }

    private static int Run(string input, string text, string output)
    {
        try
        {
            AttentionShape shape = AttentionShapeSyntax.ToAttention(new AttentionShapeSyntax().Parse("--shape", text));
            OutputFile.Check(output);
            using TraceInput trace = TraceInput.Open(input);
            if (shape.HeadDim % trace.HeadDim != 0)
            {
                throw new InputException($"--shape: {trace.Path} has {trace.HeadDim} channels per head; {shape.HeadDim} is no multiple of it");
            }

            AttentionData data = AttentionData.Repeat(trace, shape);
            using UnmanagedBuffer q = Copy(data.Queries);
            using UnmanagedBuffer k = Copy(data.Keys);
            using UnmanagedBuffer v = Copy(data.Values);
            SafetensorsWriter.Write(
                output,
                new Dictionary<string, string>
                {
                    ["causal"] = shape.Causal ? "true" : "false",
                    ["scale"] = shape.Scale.ToString("R", CultureInfo.InvariantCulture),
                },
                ("q", q.View<float>(shape.Heads, shape.Queries, shape.HeadDim)),
                ("k", k.View<float>(shape.KvHeads, shape.Keys, shape.HeadDim)),
                ("v", v.View<float>(shape.KvHeads, shape.Keys, shape.HeadDim)));
            return EntryPoint.Success;
        }
        catch (InputException e)
        {
            Console.Error.WriteLine(e.Message);
            return EntryPoint.BadInput;
        }
    }

    private static UnmanagedBuffer Copy(float[] source)
    {
        UnmanagedBuffer buffer = UnmanagedBuffer.Allocate((long)source.Length * sizeof(float));
        source.CopyTo(buffer.AsSpan<float>());
        return buffer;
    }
}
