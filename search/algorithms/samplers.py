"""Optuna's samplers, each trial's freshly seeded, so that a resumed study samples as one run would.

The same seed after a resume would suggest the same points again: each trial has a sampler of its
own, seeded from the study's seed and the trial's ordinal.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GridSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fmnist_model.utils.errors import UserError
from search.algorithms.study_view import numbered, uninterrupted
from search.presets.preset import Preset
from search.presets.search_space import grid


def trial_seeds(seed: int, place: int) -> tuple[int, int]:
    """The sampler's and the training's seed of the trial with ordinal `place`, below 2**31."""
    sampler, training = np.random.SeedSequence([seed, place]).generate_state(2)
    return int(sampler) % 2**31, int(training) % 2**31


def make_sampler(preset: Preset, seed: int, place: int) -> BaseSampler:
    """The preset's sampler for the trial with ordinal `place` of a study with this seed."""
    own = trial_seeds(seed, place)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match preset.sampler.name:
            case "tpe":
                inner: BaseSampler = optuna.samplers.TPESampler(seed=own)
            case "random":
                inner = optuna.samplers.RandomSampler(seed=own)
            case "grid":  # the seed orders the grid's points, so it is the study's
                inner = GridSampler(grid(preset), seed=seed)
            case "qmc":  # one sequence for the whole study
                inner = _QMCSampler(place, seed)
            case "cmaes":
                inner = _CmaEsSampler(seed=own, warn_independent_sampling=False)
            case "gp":
                _require_torch()
                inner = optuna.samplers.GPSampler(seed=own, warn_independent_sampling=False)
    return KillProofSampler(inner, preset.workers.lag)


def _require_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise UserError(
            "sampler.name: gp needs PyTorch, which is not installed; run "
            ".venv/bin/pip install -c requirements.lock -e '.[gp]', or take another sampler"
        )


class _QMCSampler(optuna.samplers.QMCSampler):
    """Takes the sequence's point of the trial's ordinal. Optuna's keeps count in the study, where
    a trial that is lost while it is sampled counts, too."""

    def __init__(self, place: int, seed: int) -> None:
        super().__init__(scramble=True, seed=seed, warn_independent_sampling=False)
        self._place = place

    def _find_sample_id(self, *_: Any) -> int:
        return self._place


class _CmaEsSampler(optuna.samplers.CmaEsSampler):
    """Computes the optimizer's state anew from the trials. Optuna's keeps it in the database as a
    pickle, which whoever can write there could make run anything."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._completed = completed_trials

    def _init_optimizer(self, trans: Any, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = 1 if direction == StudyDirection.MINIMIZE else -1
        while True:
            trials = self._get_solution_trials(self._completed, optimizer.generation)
            told = trials[: optimizer.population_size]
            if len(told) < optimizer.population_size:
                return optimizer
            optimizer.tell([(trans.transform(t.params), sign * (t.value or 0.0)) for t in told])


class KillProofSampler(BaseSampler):
    """Any sampler, shown the study as if no trial had been lost, as it is when its trial begins.

    Each trial has one of its own.
    """

    def __init__(self, inner: BaseSampler, lag: int | None) -> None:
        self.inner, self._lag = inner, lag

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._view, self._place = uninterrupted(study, trial, self._lag)
        self._view.get_trials(deepcopy=False)  # read here, where a transaction is open
        self.inner.before_trial(*self._seen(trial))

    def _seen(self, trial: FrozenTrial) -> tuple[Study, FrozenTrial]:
        return self._view, numbered(trial, self._place)

    def infer_relative_search_space(
        self, _study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(*self._seen(trial))

    def sample_relative(
        self, _study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(*self._seen(trial), search_space)

    def sample_independent(
        self,
        _study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.inner.sample_independent(*self._seen(trial), param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        if not isinstance(self.inner, GridSampler):  # whose end is seen when a trial is claimed
            self.inner.after_trial(study, trial, state, values)
