"""Optuna's samplers, each trial's freshly seeded, so that a resumed study samples as one run would.

After a resume, one sampler with the study's seed would suggest the same points again: so each trial
has a sampler of its own, seeded from the study's seed and the trial's ordinal.

A new sampler is one more `case` in `make_sampler`, and one more name in `SamplerConfig`
(`search/presets/sections.py`), in docs/presets.md and in the tests of samplers. Where it cannot
search every space, it needs a check in `search/presets/checks.py`; where it keeps a state of its
own, a class in `search/algorithms/optuna_samplers.py` that computes it anew; and where it has a
last proposal, as a grid has, `search/execution/trial_queue.py` has to know. CONTRIBUTING.md lists
these steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GridSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fmnist_model.utils import Remedy, UserError
from search.algorithms.optuna_samplers import OrdinalQMCSampler, StatelessCmaEsSampler
from search.algorithms.study_view import renumbered, visible_study
from search.presets import Preset, distributions, grid


def trial_seeds(seed: int, ordinal: int) -> tuple[int, int]:
    """The sampler's and the training's seed of the trial with this ordinal, both below 2**31."""
    sampler, training = np.random.SeedSequence([seed, ordinal]).generate_state(2)
    return int(sampler) % 2**31, int(training) % 2**31


def run_seed(seed: int, configuration: int, replicate: int) -> int:
    """The training's seed of a run in a search in budgets, below 2**31.

    Runs of the same configuration and replicate have the same seed, whatever their budgets, so that
    a longer run can be the continuation of a shorter one. Replicate 0 has the seed of the trial
    that tries the configuration.
    """
    if replicate == 0:
        return trial_seeds(seed, configuration)[1]
    own = np.random.SeedSequence([seed, configuration, replicate])
    return int(own.generate_state(1)[0]) % 2**31


def make_sampler(preset: Preset, seed: int, ordinal: int) -> BaseSampler:
    """The preset's sampler, for one trial of a study that others may be at work on.

    Args:
        preset: Names the sampler (`preset.sampler.name`); a grid's points come from its space.
        seed: The study's seed.
        ordinal: The trial's ordinal in the study. Trials of the same seed and ordinal are sampled
            alike, given the same earlier trials.

    Raises:
        UserError: The sampler is `gp`, and PyTorch is not installed.
    """
    return KillProofSampler(plain_sampler(preset, seed, ordinal), preset.workers.lag)


def plain_sampler(preset: Preset, seed: int, ordinal: int) -> BaseSampler:
    """The same, for a study in memory: what it proposes depends on all trials, in their order.

    Asked several times in a row it proposes points that go together: TPE and GP take the trials
    that still run for bad ones (constant liar, Ginsbourger et al., 2010).
    """
    own_seed = trial_seeds(seed, ordinal)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match preset.sampler.name:
            case "tpe":
                return optuna.samplers.TPESampler(seed=own_seed)
            case "random":
                return optuna.samplers.RandomSampler(seed=own_seed)
            case "grid":  # the seed shuffles the grid's points, so it is the study's
                return GridSampler(grid(preset), seed=seed)
            case "qmc":  # one sequence for the whole study
                return OrdinalQMCSampler(ordinal, seed)
            case "cmaes":
                return StatelessCmaEsSampler(seed=own_seed, warn_independent_sampling=False)
            case "gp":
                _require_torch()
                return optuna.samplers.GPSampler(seed=own_seed, warn_independent_sampling=False)


def quasi_random_sampler(preset: Preset, seed: int, point: int) -> BaseSampler:
    """A sampler that draws this point, from 0, of a sequence that fills the preset's space evenly;
    the study's `seed` scrambles the sequence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return OrdinalQMCSampler(point, seed, distributions(preset))


def _require_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        problem = "sampler.name: gp needs PyTorch, which is not installed"
        raise UserError(problem, Remedy.INSTALL_TORCH)


class KillProofSampler(BaseSampler):
    """Any sampler, for one trial, that is shown the study without its lost trials.

    It sees the study as it is when the trial begins, and with a lag only the trials that a search
    with so many workers would have finished (`search.algorithms.study_view`).
    """

    def __init__(self, inner: BaseSampler, lag: int | None) -> None:
        """Wrap the sampler `inner`; `lag` is the preset's `workers.lag`."""
        self.inner, self._lag = inner, lag

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Read the study, and let the sampler prepare; Optuna calls it once, before all others."""
        self._visible, self._ordinal = visible_study(study, trial, self._lag)
        self._visible.get_trials(deepcopy=False)  # read here, where a transaction is open
        self.inner.before_trial(*self._shown(trial))

    def _shown(self, trial: FrozenTrial) -> tuple[Study, FrozenTrial]:
        return self._visible, renumbered(trial, self._ordinal)

    def infer_relative_search_space(
        self, _study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The hyperparameters that the sampler draws together."""
        return self.inner.infer_relative_search_space(*self._shown(trial))

    def sample_relative(
        self, _study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of the hyperparameters that are drawn together."""
        return self.inner.sample_relative(*self._shown(trial), search_space)

    def sample_independent(
        self,
        _study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of a hyperparameter that is drawn by itself."""
        return self.inner.sample_independent(*self._shown(trial), param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the sampler note the trial's end, but for a grid: Optuna's would stop the study, and
        whether the grid is exhausted is seen when the next trial is claimed."""
        if not isinstance(self.inner, GridSampler):
            self.inner.after_trial(study, trial, state, values)
