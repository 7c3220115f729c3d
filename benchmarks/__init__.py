"""A module a claim, each a command: python -m benchmarks.NAME. What they share is in folders."""
