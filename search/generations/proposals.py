"""Which new configurations a generation tries: the preset's arms, then what the sampler proposes.

The sampler is shown the ended runs as an Optuna study in memory, and is asked for all points of the
generation at once. What it proposes is a function of the preset, the seed, the generation and the
runs alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.algorithms import plain_sampler, quasi_random_sampler, trial_seeds
from search.generations.shown_runs import shown_trials
from search.presets import Preset, grid_size, stored_params, suggest
from search.storage import FIXED_PARAMS, GRID_ID, RELATIVE_PARAMS
from search.study import EndedRun, PlannedRun, RunKey

MIN_RUNS = 8
"""A sampler is shown the values at the greatest budget that so many configurations completed."""
RANDOM_SHARE = 0.5
"""The share of new configurations that are points of a quasi-random sequence, so that a search is
never much worse than one at random."""
QMC_POINT = "qmc_point"
"""The system attribute that holds the number of a trial's point in the quasi-random sequence."""


@dataclass(frozen=True)
class Strategy:
    """How new configurations are proposed.

    Attributes:
        min_runs: See `MIN_RUNS`.
        random_share: See `RANDOM_SHARE`.
        shows_shorter: Whether the sampler is shown those that were only tried for less than the
            budget that it is shown, too: as pruned after so many epochs.
    """

    min_runs: int = MIN_RUNS
    random_share: float = RANDOM_SHARE
    shows_shorter: bool = False


def propose(
    preset: Preset,
    seed: int,
    generation: int,
    runs: Sequence[EndedRun],
    count: int,
    first_ordinal: int,
    strategy: Strategy = Strategy(),
) -> list[PlannedRun]:
    """The new configurations of a generation, each as a run of the smallest budget.

    The preset's arms that were not tried yet come first; what an arm leaves out is drawn at random.
    `count` others follow, fewer where a grid has no more points. `first_ordinal` is the number of
    the first of them.
    """
    tried = {run.arm for run in runs}
    proposer = _Proposer(preset, seed, generation, runs, strategy)
    asked = [
        (proposer.arm(arm.params), arm.name) for arm in preset.arms if arm.name not in tried
    ] + [(trial, None) for trial in proposer.new(count)]
    return [
        PlannedRun(
            RunKey(first_ordinal + place, preset.budgets[0]),
            "new",
            trial.params,
            name,
            _kept(trial.system_attrs),
        )
        for place, (trial, name) in enumerate(asked)
    ]


def filled_in(preset: Preset, seed: int, ordinal: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Stored parameters of which some are given: the others are drawn at random."""
    sampler = RandomSampler(seed=trial_seeds(seed, ordinal)[0])
    return _ask(_empty_study(), preset, sampler, {FIXED_PARAMS: dict(params)}).params


class _Proposer:
    """Asks the samplers for the points of one generation, which they see as running trials."""

    def __init__(
        self,
        preset: Preset,
        seed: int,
        generation: int,
        runs: Sequence[EndedRun],
        strategy: Strategy,
    ) -> None:
        self._preset, self._seed, self._runs = preset, seed, runs
        self._share = strategy.random_share
        self._sampler = plain_sampler(preset, seed, generation)
        self._random = RandomSampler(seed=trial_seeds(seed, generation)[1])
        self._study = _empty_study()
        shown = shown_trials(preset, runs, strategy.min_runs, strategy.shows_shorter)
        self._study.add_trials(shown)
        self._knows_nothing = all(trial.value is None for trial in shown)

    def arm(self, params: Mapping[str, Any]) -> FrozenTrial:
        """The trial of an arm."""
        return self._ask(self._random, {FIXED_PARAMS: stored_params(params)})

    def new(self, count: int) -> list[FrozenTrial]:
        """Up to `count` trials of new points."""
        match self._preset.sampler.name:
            case "random":
                return [self._ask(self._sampler) for _ in range(count)]
            case "qmc":
                return [self._quasi_random(place) for place in range(count)]
            case "grid":
                first = self._next(GRID_ID)
                points = range(first, min(first + count, grid_size(self._preset)))
                return [self._ask(self._sampler, {GRID_ID: point}) for point in points]
        return self._modelled(count)

    def _modelled(self, count: int) -> list[FrozenTrial]:
        """Points of a sampler that learns, among them the quasi-random share."""
        known = len({run.key.configuration for run in self._runs})
        trials, drawn = [], 0
        for place in range(known, known + count):
            whole = math.floor((place + 1) * self._share) > math.floor(place * self._share)
            if self._knows_nothing or whole:
                trials.append(self._quasi_random(drawn))
                drawn += 1
            else:
                trials.append(self._ask(self._sampler))
        return trials

    def _quasi_random(self, place: int) -> FrozenTrial:
        """The point of the sequence that comes `place` after the next one."""
        point = self._next(QMC_POINT) + place
        sampler = quasi_random_sampler(self._preset, self._seed, point)
        return self._ask(sampler, {QMC_POINT: point})

    def _next(self, attribute: str) -> int:
        """The number of the next point in a sequence whose points have it as this attribute."""
        points = (run.system_attrs.get(attribute) for run in self._runs)
        return 1 + max((point for point in points if isinstance(point, int)), default=-1)

    def _ask(self, sampler: BaseSampler, attrs: Mapping[str, Any] | None = None) -> FrozenTrial:
        return _ask(self._study, self._preset, sampler, attrs or {})


def _empty_study() -> Study:
    return optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), direction="maximize", study_name="in memory"
    )


def _ask(
    study: Study, preset: Preset, sampler: BaseSampler, attrs: Mapping[str, Any]
) -> FrozenTrial:
    """Let the sampler propose a trial with these system attributes, which goes on running."""
    study.sampler = sampler
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs=dict(attrs)))
    trial = study.ask()
    suggest(trial, preset)
    return study.get_trials(deepcopy=False)[trial.number]


def _kept(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What a sampler wants to find again, as CMA-ES does; but not the parameters themselves."""
    return {
        name: value
        for name, value in system_attrs.items()
        if name != FIXED_PARAMS and RELATIVE_PARAMS not in name
    }
