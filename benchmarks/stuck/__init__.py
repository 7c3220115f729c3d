"""How reliable is the detector of stuck runs? See `python -m benchmarks.stuck --help`."""
