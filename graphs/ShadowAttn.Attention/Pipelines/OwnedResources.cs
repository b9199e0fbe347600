namespace ShadowAttn.Attention;

/// <summary>What a pipeline owns: disposed in reverse order, also when its constructor fails halfway.</summary>
internal sealed class OwnedResources : IDisposable
{
    private readonly Stack<IDisposable> resources = [];

    /// <summary>Takes a resource over.</summary>
    public T Own<T>(T resource)
        where T : IDisposable
    {
        resources.Push(resource);
        return resource;
    }

    /// <summary>Makes and takes over an array of resources; what was made before one fails is owned already.</summary>
    public T[] Own<T>(int count, Func<int, T> make)
        where T : IDisposable
    {
        var made = new T[count];
        for (int i = 0; i < count; i++)
        {
            made[i] = Own(make(i));
        }

        return made;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (resources.TryPop(out IDisposable? resource))
        {
            resource.Dispose();
        }
    }
}
