"""Tools that the benchmarks share: they measure, keep and show results."""
