"""A search in budgets that was never trained: its runs are simulated, and stored as trials."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.generations.race import race
from search.presets.files import parse_preset
from search.presets.preset import Preset
from search.presets.search_space import distributions
from search.study.runs import EndedRun, RunKey
from search.study.trial_record import Role, TrialRecord

PRESET = parse_preset(
    {
        "search": {"budgets": [1, 3, 10], "generation": 8},
        "model": {"padding": "same"},
        "space": {
            "learning_rate": {"low": 0.01, "high": 0.4, "log": True},
            "dropout": {"low": 0.0, "high": 0.5},
            "activation": ["relu", "tanh", "gelu"],
            "filters": [[16, 32], [32, 64]],
        },
    },
    "a preset",
)
TOP = PRESET.budgets[-1]
BEGAN = datetime(2026, 11, 1, 12)
SEED_SD = 0.003


def ended(
    configuration: int,
    value: float | None,
    replicate: int = 0,
    budget: int = TOP,
    params: dict[str, Any] | None = None,
) -> EndedRun:
    """A run that has ended, of a configuration whose trial has its number."""
    key, params = RunKey(configuration, budget, replicate), params or default_params()
    return EndedRun(key, params, value, 0, configuration + 100 * replicate)


def default_params(**other: Any) -> dict[str, Any]:
    """The stored parameters of a configuration of PRESET."""
    common = {"learning_rate": 0.1, "dropout": 0.1, "activation": "relu", "filters": "16-32"}
    return common | other


def run_trial(
    key: RunKey,
    value: float | None,
    role: Role = "new",
    ordinal: int | None = None,
    generation: int = 0,
    params: dict[str, Any] | None = None,
    preset: Preset = PRESET,
    **kept: Any,
) -> FrozenTrial:
    """The trial of a run; one without a value was stuck in its first epoch. `kept` are attributes
    that it has, too."""
    number = key.configuration if ordinal is None else ordinal
    plan = TrialRecord.of_plan(number, *key, generation, role)
    epochs = key.budget if value is not None else 1
    diagnosis = {"kind": "dead_output", "layer": "output", "epoch": 1, "step": 2}
    diagnosis |= {"certain": True, "message": "every output is zero"}
    made = create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        params=params or default_params(),
        distributions=distributions(preset),
        intermediate_values=_curve(0.1 if value is None else value, epochs),
        user_attrs=plan.attributes
        | {
            "stop_reason": "completed" if value is not None else "stuck",
            "diagnosis": {"kind": "healthy", "message": ""} if value is not None else diagnosis,
            "epochs_run": epochs,
            "steps_run": 48 * epochs if value is not None else 6,
            "train_seconds": 2.0 * epochs,
            "seed": 100 * key.configuration + key.replicate,
            "worker": {"host": "here", "pid": 1 + number % 2, "started": 0},
        }
        | kept,
    )
    made.number = number
    made.datetime_start = BEGAN + timedelta(seconds=20 * number)
    made.datetime_complete = made.datetime_start + timedelta(seconds=2 * epochs)
    return made


def continued(trial: FrozenTrial, epochs: int) -> FrozenTrial:
    """The trial, as if it had been continued after so many epochs of 2 s each."""
    trial.user_attrs |= {"continued_from": epochs, "earlier_seconds": 2.0 * epochs}
    return trial


def _curve(value: float, epochs: int) -> dict[int, float]:
    return {epoch: value - 0.05 * (1 / epoch - 1 / epochs) for epoch in range(1, epochs + 1)}


class SimulatedSearch:
    """A search of PRESET: two generations of 8, the better half promoted, then the race.

    `trials` are its trials in the order of their numbers.
    """

    def __init__(self, raced: int = 12, seed: int = 8) -> None:
        self._random = np.random.default_rng(seed)
        self.trials: list[FrozenTrial] = []
        self._runs: list[EndedRun] = []
        for generation in range(2):
            self._generation(generation)
        while raced > 0 and (plan := race(self._runs, PRESET, TOP, min(4, raced))):
            for key in plan:
                self._train(key, "race", 2, self._params(key.configuration))
            raced -= len(plan)

    def _generation(self, generation: int) -> None:
        tried = [self._train(RunKey(len(self.trials), 1), "new", generation) for _ in range(8)]
        for budget in (3, TOP):
            ranked = sorted(tried, key=lambda run: -(run.value or 0.0))
            tried = [
                self._train(run.key._replace(budget=budget), "promotion", generation, run.params)
                for run in ranked[: len(ranked) // 2]
            ]

    def _params(self, configuration: int) -> Any:
        return next(r.params for r in self._runs if r.key.configuration == configuration)

    def _train(self, key: RunKey, role: Role, generation: int, params: Any = None) -> EndedRun:
        chosen = dict(params or self._sampled())
        value = _accuracy(chosen, key.budget) + SEED_SD * float(self._random.normal())
        stuck = chosen["activation"] == "relu" and chosen["learning_rate"] > 0.3
        number = len(self.trials)
        reached = None if stuck else value
        self.trials.append(run_trial(key, reached, role, number, generation, chosen))
        run = EndedRun(key, chosen, reached, generation, number)
        self._runs.append(run)
        return run

    def _sampled(self) -> dict[str, Any]:
        random = self._random
        return {
            "learning_rate": float(math.exp(random.uniform(math.log(0.01), math.log(0.4)))),
            "dropout": float(random.uniform(0, 0.5)),
            "activation": str(random.choice(["relu", "tanh", "gelu"])),
            "filters": str(random.choice(["16-32", "32-64"])),
        }


def _accuracy(params: dict[str, Any], budget: int) -> float:
    """What a configuration reaches on average with so many epochs."""
    rate = 0.03 * math.log10(params["learning_rate"] / 0.15) ** 2
    larger = 0.003 * (params["filters"] == "32-64") + 0.004 * (params["activation"] == "gelu")
    return 0.925 - 0.08 / budget - rate - 0.01 * params["dropout"] + larger


def store_search(storage: Any = None, raced: int = 12, preset: Preset = PRESET) -> optuna.Study:
    """Keep a simulated search as the study `budgets`, in a storage or in memory."""
    study = optuna.create_study(storage=storage, study_name="budgets", direction="maximize")
    study.set_user_attr("preset", preset.identity())
    study.set_user_attr("seed", 648)
    study.set_user_attr("versions", {})
    study.add_trials(SimulatedSearch(raced).trials)
    return study
