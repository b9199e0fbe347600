using System.Text.Json;
using System.Text.Json.Serialization;

namespace ShadowAttn.Attention;

/// <summary>How many keys each head of each layer of a model keeps, and what its keys are like; a JSON file.</summary>
public sealed record CalibrationProfile
{
    /// <summary>The version of the file's format that this code writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>The version of the file's format.</summary>
    public required int Version { get; init; }

    /// <summary>The model's name; null if unknown.</summary>
    public string? Model { get; init; }

    /// <summary>Query heads of a layer.</summary>
    public required int Heads { get; init; }

    /// <summary>KV heads of a layer.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Channels of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The floor of keys per row that the ratios were found with.</summary>
    public required int MinKeys { get; init; }

    /// <summary>The mean keep ratio that was handed out; null where a captured mass was aimed at.</summary>
    public double? Budget { get; init; }

    /// <summary>The captured mass that was aimed at; null where a budget was handed out.</summary>
    public double? TargetMass { get; init; }

    /// <summary>The layers, ascending.</summary>
    public required IReadOnlyList<LayerProfile> Layers { get; init; }

    /// <summary>Reads a profile.</summary>
    /// <param name="json">UTF-8.</param>
    /// <exception cref="FormatException">It is no profile of this version, or a number in it is out of its range; the message says which.</exception>
    public static CalibrationProfile Parse(ReadOnlySpan<byte> json)
    {
        CalibrationProfile? profile;
        try
        {
            profile = JsonSerializer.Deserialize(json, CalibrationJsonContext.Default.CalibrationProfile);
        }
        catch (JsonException e)
        {
            throw new FormatException($"is no calibration profile: {e.Message}", e);
        }

        if (profile is null)
        {
            throw new FormatException("is no calibration profile: null");
        }

        profile.Check();
        return profile;
    }

    /// <summary>Writes the profile as JSON.</summary>
    /// <param name="stream">Receives UTF-8.</param>
    public void Write(Stream stream)
    {
        JsonSerializer.Serialize(stream, this, CalibrationJsonContext.Default.CalibrationProfile);
        stream.WriteByte((byte)'\n');
    }

    /// <summary>The profile of a layer; null if there is none.</summary>
    /// <param name="layer">The layer's number.</param>
    public LayerProfile? Find(int layer) => Layers.FirstOrDefault(l => l.Layer == layer);

    /// <summary>The options of a layer: its keep ratios and the floor that they were found with, or mode dense.</summary>
    /// <param name="options">The other options; their heads must be the profile's.</param>
    /// <param name="layer">The layer's number.</param>
    /// <exception cref="ArgumentException">The profile has no such layer, or is of another shape.</exception>
    public AttentionOptions Apply(AttentionOptions options, int layer)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Heads != Heads || options.KvHeads != KvHeads || options.HeadDim != HeadDim)
        {
            throw new ArgumentException(
                $"the profile is for {Heads} heads, {KvHeads} KV heads, dim {HeadDim}; the input has {options.Heads}, {options.KvHeads}, {options.HeadDim}");
        }

        LayerProfile found = Find(layer) ?? throw new ArgumentException(
            $"the profile has no layer {layer}, only {string.Join(", ", Layers.Select(l => l.Layer))}");
        return found.Dense
            ? options with { Mode = AttentionMode.Dense, ExactTopK = ExactTopK.None }
            : options with { KeepPerHead = found.Keep, MinKeys = MinKeys };
    }

    private void Check()
    {
        Require(Version == CurrentVersion, $"has version {Version}; this program reads version {CurrentVersion}");
        Require(Heads >= 1 && KvHeads >= 1 && Heads % KvHeads == 0 && HeadDim >= 1, $"heads {Heads}, kv_heads {KvHeads}, head_dim {HeadDim} are no shape of a layer");
        Require(MinKeys >= 1, $"min_keys is {MinKeys}; it must be at least 1");
        Require(Layers is { Count: > 0 }, "has no layers");
        int before = -1;
        foreach (LayerProfile layer in Layers!)
        {
            Require(layer is not null, "has a layer that is null");
            Require(layer!.Layer > before, $"layers must ascend; {layer.Layer} follows {before}");
            before = layer.Layer;
            Require(layer.Keep?.Length == Heads, $"layer {layer.Layer}: keep needs a ratio for each of the {Heads} heads");
            Require(layer.Keep!.All(r => r is > 0 and <= 1), $"layer {layer.Layer}: every keep ratio must be above 0 and at most 1");
            Require(
                IsShape(layer.KeyMean) && IsShape(layer.KeyVariance) && layer.KeyAbsMax?.Length == KvHeads,
                $"layer {layer.Layer}: key_mean and key_variance need {KvHeads} lists of {HeadDim} numbers, key_abs_max {KvHeads} numbers");
            try
            {
                _ = layer.Statistics();
            }
            catch (ArgumentException e)
            {
                throw new FormatException($"layer {layer.Layer}: {e.Message}", e);
            }
        }

        bool IsShape(float[][]? rows) => rows?.Length == KvHeads && rows.All(r => r?.Length == HeadDim);
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new FormatException(message);
        }
    }
}

/// <summary>One layer of a <see cref="CalibrationProfile"/>.</summary>
public sealed record LayerProfile
{
    /// <summary>The layer's number.</summary>
    public required int Layer { get; init; }

    /// <summary>Whether the layer is not sparse, and exact attention over all keys is the better choice.</summary>
    public required bool Dense { get; init; }

    /// <summary>[heads]: the share of visible keys that each head keeps.</summary>
    public required double[] Keep { get; init; }

    /// <summary>The mean share of the mass that the kept keys held on the inputs of the calibration.</summary>
    public required double CapturedMass { get; init; }

    /// <summary>[kvHeads][headDim]: the mean of each channel of the keys.</summary>
    public required float[][] KeyMean { get; init; }

    /// <summary>[kvHeads][headDim]: the variance of each channel of the keys.</summary>
    public required float[][] KeyVariance { get; init; }

    /// <summary>[kvHeads]: the largest distance of a channel of a key from its mean.</summary>
    public required float[] KeyAbsMax { get; init; }

    /// <summary>What a <see cref="KvCache"/> of this layer starts from.</summary>
    public KeyStatistics Statistics() => new([.. KeyMean.SelectMany(x => x)], [.. KeyVariance.SelectMany(x => x)], KeyAbsMax);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CalibrationProfile))]
internal sealed partial class CalibrationJsonContext : JsonSerializerContext;
