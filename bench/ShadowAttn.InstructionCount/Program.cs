using ShadowAttn.InstructionCount;

if (args.Length != 1)
{
    Console.Error.WriteLine("usage: count-arm64 TRACE.safetensors; it is run by dotnet cake --target=bench-arm64");
    return 2;
}

Trace trace = Trace.Read(args[0]);
var counter = new Counter();

// What a pair of marks costs by itself; the second time, when everything is bound.
counter.Count("nothing", "", "", 0, () => { });
counter.Count("nothing", "", "", 0, () => { });
foreach (Case shape in Case.All)
{
    for (int kvHead = 0; kvHead < Case.KvHeads; kvHead++)
    {
        var kv = new KvHead(trace, shape, kvHead);
        kv.Count(counter, shape.Name);
        for (int j = 0; j < Case.Different; j++)
        {
            new QueryHead(trace, shape, kv, kvHead, j, counter).Count();
        }
    }
}

Elementwise.Count(counter);
counter.Print(Console.Out);
return 0;
