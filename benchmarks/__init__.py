"""Benchmarks: one module for each measurement, run as `python -m benchmarks.NAME`.

Folders hold what several of them share; docs/benchmarks.md has the list and the results.
"""
