"""Presets: TOML files that name a question, and the search space that they stand for."""
