"""The embedded corpus: songs composed and rendered from a seed, by NumPy and SciPy alone."""
