"""A search with further objectives that was never trained: planned as it would be, with made-up
accuracies and latencies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from fmnist_model.network.size import parameters
from search.generations.plan import plan, race_reserve
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.presets.search_space import configurations
from search.study.runs import ended_runs
from tests.search.in_budgets import SEED_SD, run_trial

BOTH = {"minimize": ["parameters", "latency_ms"], "constraints": ["parameters <= 400000"]}
SEARCH = {"budgets": [1, 3, 10], "reduction_factor": 2, "generation": 8}


def preset(objective: Mapping[str, Any] | None, sampler: str = "tpe", **more: Any) -> Preset:
    """A preset whose networks have 7,000 to 1,700,000 weights."""
    space = {
        "learning_rate": {"low": 0.01, "high": 0.4, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
        "filters": [[4, 8], [8, 16], [16, 32], [32, 64], [64, 128]],
        "dense_units": [16, 32, 64, 128, 256],
    }
    if sampler in ("grid", "cmaes"):
        space = {"dense_units": {"low": 16, "high": 256, "step": 40}}
    tree = {"search": SEARCH, "model": {"padding": "same"}}
    tree |= {"space": space, "sampler": {"name": sampler}, **more}
    return parse_preset(tree | ({"objective": objective} if objective else {}), "a preset")


def size_of(made: Preset, params: Mapping[str, Any]) -> int:
    return parameters(configurations(made, params, 0)[0])


def expected_accuracy(made: Preset, params: Mapping[str, Any], budget: int) -> float:
    """What a configuration reaches on average: larger networks more."""
    rate = 0.03 * math.log10(params.get("learning_rate", 0.1) / 0.15) ** 2
    smaller = 0.25 * (size_of(made, params) / 1e4) ** -0.6
    return 0.94 - 0.06 / budget - rate - 0.02 * abs(params.get("dropout", 0.2) - 0.2) - smaller


class SearchForBoth:
    """A whole search; `trials` are its trials in the order of their numbers."""

    def __init__(self, made: Preset, count: int = 60, seed: int = 1) -> None:
        self._preset, self._random = made, np.random.default_rng(seed)
        self.trials: list[FrozenTrial] = []
        generation = 0
        while len(self.trials) < count:
            runs, number = ended_runs(self.trials), len(self.trials)
            planned = plan(
                made, seed, runs, generation, number, count - number, race_reserve(count)
            )
            if not planned:
                break
            self.trials += [
                self._trained(run, number + n, generation) for n, run in enumerate(planned)
            ]
            generation += 1

    def _trained(self, run: Any, number: int, generation: int) -> FrozenTrial:
        size = size_of(self._preset, run.params)
        value = expected_accuracy(self._preset, run.params, run.key.budget)
        kept: dict[str, Any] = {"parameters": size} if self._preset.objective else {}
        if self._preset.objective and run.key.budget == self._preset.budgets[-1]:
            kept["latency_ms"] = 0.2 + (size / 1e6) ** 0.5 * self._random.uniform(0.8, 1.2)
            kept["latency_spread_ms"] = 0.05
        return run_trial(
            run.key,
            value + SEED_SD * float(self._random.normal()),
            run.role,
            number,
            generation,
            dict(run.params),
            self._preset,
            **kept,
        )


def store_search_for_both(
    storage: Any = None, objective: Mapping[str, Any] = BOTH, count: int = 60
) -> optuna.Study:
    """Keep a search as the study `both`, in a storage or in memory."""
    made = preset(objective)
    study = optuna.create_study(storage=storage, study_name="both", direction="maximize")
    study.set_user_attr("preset", made.identity())
    study.set_user_attr("seed", 648)
    study.set_user_attr("versions", {})
    study.add_trials(SearchForBoth(made, count).trials)
    return study
