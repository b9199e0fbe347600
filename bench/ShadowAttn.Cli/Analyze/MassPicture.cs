using System.Globalization;
using ScottPlot;
using ScottPlot.Plottables;
using ShadowAttn.Attention;
using SkiaSharp;

namespace ShadowAttn.Cli.Analyze;

/// <summary>The mass curves of traces as a picture: a panel per trace, a line per head, their mean in bold, and a mark at the paper's 20 %.</summary>
internal static class MassPicture
{
    private const int PanelWidth = 900;
    private const int PanelHeight = 620;
    private const string Png = ".png";
    private const string Svg = ".svg";

    /// <summary>The families to write with, the first that is installed.</summary>
    private static readonly string[] s_families = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Segoe UI", "Helvetica Neue"];

    private static readonly double[] s_shares = [.. Enumerable.Range(0, MassCurves.Steps + 1).Select(step => 100.0 * step / MassCurves.Steps)];

    /// <summary>Throws if no such picture could be drawn.</summary>
    /// <param name="path">The file's name.</param>
    /// <exception cref="InputException">Its end is not known, the drawing library is missing, or there are no fonts.</exception>
    public static void Check(string path)
    {
        if (Kind(path) is null)
        {
            throw new InputException($"--output: {InputException.Quote(path)} must end in {Png} or {Svg}");
        }

        try
        {
            _ = Family();
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException)
        {
            throw new InputException($"--output: the library libSkiaSharp, which draws pictures, is not in {AppContext.BaseDirectory}; leave --output away", e);
        }
    }

    /// <summary>Draws the picture.</summary>
    /// <param name="stream">Receives the file.</param>
    /// <param name="path">Its name, of which only the end matters.</param>
    /// <param name="report">At least one trace.</param>
    public static void Write(Stream stream, string path, AnalyzeReport report)
    {
        AnalyzedTrace[] traces = report.Traces;
        int columns = (int)Math.Ceiling(Math.Sqrt(traces.Length));
        int rows = (traces.Length + columns - 1) / columns;
        string family = Family();
        var panels = new Multiplot { Layout = new ScottPlot.MultiplotLayouts.Grid(rows, columns) };
        while (panels.Subplots.Count > 0)
        {
            panels.Subplots.RemoveAt(0);
        }

        foreach (AnalyzedTrace trace in traces)
        {
            panels.Subplots.Add(Panel(trace, family));
        }

        int width = columns * PanelWidth;
        int height = rows * PanelHeight;
        if (Kind(path) == Svg)
        {
            using SKCanvas canvas = SKSvgCanvas.Create(new SKRect(0, 0, width, height), stream);
            panels.Render(canvas, new PixelRect(0, width, height, 0));
        }
        else
        {
            using SKSurface surface = SKSurface.Create(new SKImageInfo(width, height));
            surface.Canvas.Clear(SKColors.White);
            panels.Render(surface.Canvas, new PixelRect(0, width, height, 0));
            using SKImage snapshot = surface.Snapshot();
            using SKData data = snapshot.Encode(SKEncodedImageFormat.Png, 100);
            data.SaveTo(stream);
        }
    }

    private static Plot Panel(AnalyzedTrace trace, string family)
    {
        var plot = new Plot();
        plot.Font.Set(family);
        plot.Title(string.Create(
            CultureInfo.InvariantCulture,
            $"{(trace.Model is { } model ? model + ", " : string.Empty)}{AnalyzeTable.Name(trace)}: {trace.Queries} x {trace.Keys}{(trace.Causal ? " causal" : string.Empty)}"));
        plot.XLabel("share of the visible keys, heaviest first (%)");
        plot.YLabel("share of the exact softmax mass on them (%)");
        IPalette palette = trace.Heads <= 10 ? new ScottPlot.Palettes.Category10() : new ScottPlot.Palettes.Category20();
        foreach (AnalyzedHead head in trace.PerHead)
        {
            Line(plot, head.MassCurve, palette.GetColor(head.Head!.Value), 1.5f, string.Create(CultureInfo.InvariantCulture, $"head {head.Head}"));
        }

        Line(plot, trace.Mean.MassCurve, Colors.Black, 4, "mean of the heads");
        Mark(plot, trace);
        plot.Axes.SetLimits(0, 100, 0, 102);
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericFixedInterval(10);
        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericFixedInterval(10);

        // Legends of many heads need two columns' room; beside the panel they cover nothing.
        plot.ShowLegend(Edge.Right);
        return plot;
    }

    private static void Line(Plot plot, double[] curve, Color color, float width, string name)
    {
        Scatter line = plot.Add.ScatterLine(s_shares, Array.ConvertAll(curve, mass => 100 * mass), color);
        line.LineWidth = width;
        line.LegendText = name;
    }

    private static void Mark(Plot plot, AnalyzedTrace trace)
    {
        double share = s_shares[AnalyzeTable.PaperStep];
        double mean = 100 * trace.Mean.MassCurve[AnalyzeTable.PaperStep];
        AnalyzedHead worst = trace.PerHead.MinBy(h => h.MassCurve[AnalyzeTable.PaperStep])!;
        double least = 100 * worst.MassCurve[AnalyzeTable.PaperStep];
        VerticalLine line = plot.Add.VerticalLine(share, 1.5f, Colors.Gray);
        line.LegendText = string.Create(CultureInfo.InvariantCulture, $"{share:F0} % of the keys");
        plot.Add.Marker(share, mean, MarkerShape.FilledCircle, 10, Colors.Black);
        plot.Add.Marker(share, least, MarkerShape.OpenCircle, 10, Colors.Black);
        ScottPlot.Plottables.Text text = plot.Add.Text(
            string.Create(
                CultureInfo.InvariantCulture,
                $"at {share:F0} % of the keys\n{mean:F1} % of the mass in the mean\n{least:F1} % in head {worst.Head}, the least\n\n{100 * trace.Mean.NegligibleShare:F1} % of the keys are negligible:\nbelow 1/(10·visible)"),
            40,
            8);
        text.LabelAlignment = Alignment.LowerLeft;
        text.LabelFontSize = 15;
        text.LabelBackgroundColor = Colors.White.WithAlpha(0.85);
        text.LabelBorderColor = Colors.Gray;
        text.LabelBorderWidth = 1;
        text.LabelPadding = 8;
    }

    private static string? Kind(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        Png => Png,
        Svg => Svg,
        _ => null,
    };

    /// <exception cref="InputException">There are no fonts.</exception>
    private static string Family()
    {
        string[] installed = [.. SKFontManager.Default.FontFamilies];
        return s_families.FirstOrDefault(family => installed.Contains(family, StringComparer.Ordinal)) ?? installed.FirstOrDefault()
            ?? throw new InputException("--output: there is no font on this machine to label a picture with; install one, such as the Debian package fonts-dejavu-core");
    }
}
