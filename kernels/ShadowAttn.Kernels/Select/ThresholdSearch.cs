namespace ShadowAttn.Kernels;

/// <summary>
/// The search for the score of the last kept key. Invariant: count(score &gt; low) ≥ keep &gt; count(score &gt; high); it ends at high = low + 1, the
/// threshold being high. Each step counts two levels: first the guess and its neighbour, then neighbours at the place where a line through
/// what is known crosses <c>keep</c>; when that does not close the bracket, halves.
/// </summary>
internal struct ThresholdSearch
{
    private readonly int _keep;
    private int _low;
    private int _high;
    private int _aboveLow;
    private int _aboveHigh;
    private int _lower;
    private int _upper;
    private int _steps;

    public ThresholdSearch(int n, int keep, int guess)
    {
        _keep = keep;
        _low = -129;
        _high = 127;
        _aboveLow = n;
        _aboveHigh = 0;
        _upper = Math.Clamp(guess, -128, 127);
    }

    /// <summary>The score of the last kept key.</summary>
    public readonly int Threshold => _high;

    /// <summary>Keys above <see cref="Threshold"/>.</summary>
    public readonly int Above => _aboveHigh;

    /// <summary>Keys at <see cref="Threshold"/>.</summary>
    public readonly int Ties => _aboveLow - _aboveHigh;

    /// <summary>The two levels to count next, both in -128..126; false when the threshold is found.</summary>
    public bool Next(out int lower, out int upper)
    {
        _upper = Math.Max(_low + 1, Math.Min(_upper, _high - 1));
        _lower = Math.Max(_upper - 1, _low + 1);
        lower = _lower;
        upper = _upper;
        return _high - _low > 1;
    }

    /// <summary>Takes the numbers of scores above the two levels of <see cref="Next"/>.</summary>
    public void Narrow(int aboveLower, int aboveUpper)
    {
        int density = Math.Max(aboveLower - aboveUpper, 1);
        if (aboveUpper >= _keep)
        {
            _low = _upper;
            _aboveLow = aboveUpper;
        }
        else if (aboveLower >= _keep)
        {
            (_low, _high) = (_lower, _upper);
            (_aboveLow, _aboveHigh) = (aboveLower, aboveUpper);
        }
        else
        {
            _high = _lower;
            _aboveHigh = aboveLower;
        }

        _steps++;
        if (_steps > 4)
        {
            _upper = (_low + _high + 1) / 2;
        }
        else if (_low == _upper)
        {
            _upper = _low + 1 + ((_aboveLow - _keep) / density);
        }
        else
        {
            _upper = _high - ((_keep - _aboveHigh) / density);
        }
    }
}
