"""Two of Optuna's samplers with private methods of theirs replaced; checked with Optuna 5.0.0.

What is private to Optuna's samplers stands in this file alone. `tests/search/algorithms/` holds
that the methods are still called, and still do what is relied on.
"""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, QMCSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial


class OrdinalQMCSampler(QMCSampler):
    """Takes the point of the quasi-random sequence whose number is the trial's ordinal.

    Optuna's sampler counts in the study's system attributes, where a trial that is lost while it is
    sampled uses up a point. Replaces `QMCSampler._find_sample_id`, which returns the number of the
    point to take.
    """

    def __init__(
        self, ordinal: int, seed: int, space: dict[str, BaseDistribution] | None = None
    ) -> None:
        """Sample the trial with this ordinal; the study's `seed` scrambles the sequence.

        `space` is what is searched; without it the study's first trial is drawn at random, and
        shows the others what is.
        """
        super().__init__(scramble=True, seed=seed, warn_independent_sampling=False)
        self._ordinal, self._space = ordinal, space

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The hyperparameters that are drawn together."""
        if self._space is not None:
            return self._space
        return super().infer_relative_search_space(study, trial)

    def _find_sample_id(self, *_: Any) -> int:
        return self._ordinal


class StatelessCmaEsSampler(CmaEsSampler):
    """Computes the state of CMA-ES anew from the study's trials.

    Optuna's sampler stores the state in the database as a pickle, and loading a pickle runs
    whatever code somebody with access to the database has put into it. Replaces
    `CmaEsSampler._restore_optimizer`, which returns the stored state or None, and
    `CmaEsSampler._init_optimizer`, which makes a new one; relies on `_get_solution_trials`, which
    returns the completed trials of a generation.
    """

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._completed = completed_trials

    def _init_optimizer(self, trans: Any, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = 1 if direction == StudyDirection.MINIMIZE else -1
        while True:
            trials = self._get_solution_trials(self._completed, optimizer.generation)
            solutions = trials[: optimizer.population_size]
            if len(solutions) < optimizer.population_size:
                return optimizer
            optimizer.tell(
                [(trans.transform(t.params), sign * (t.value or 0.0)) for t in solutions]
            )
