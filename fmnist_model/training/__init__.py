"""One training run of any engine: what it asks of the engine, and what it tells. NumPy only."""
