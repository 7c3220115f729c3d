"""Which new configurations a generation tries: the preset's arms, then what the sampler proposes.

The sampler is shown the ended runs as an Optuna study in memory, and is asked for all points of the
generation at once. What it proposes is a function of the preset, the seed, the generation and the
runs alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import ValidationError

from fmnist_model.network import parameters
from fmnist_model.utils import UserError
from search.algorithms import plain_sampler, quasi_random_sampler, trial_seeds
from search.generations.beliefs import (
    BELIEVED_SHARE,
    WARM_START_POINT,
    BeliefDrawer,
    share_of_beliefs,
)
from search.generations.shown_runs import shown_trials
from search.presets import Preset, configurations, grid_size, stored_params, suggest
from search.storage import FIXED_PARAMS, GRID_ID, RELATIVE_PARAMS
from search.study import EndedRun, PlannedRun, RunKey

MIN_RUNS = 8
"""A sampler is shown the values at the greatest budget that so many configurations completed."""
RANDOM_SHARE = 0.5
"""The share of new configurations that are points of a quasi-random sequence, so that a search is
never much worse than one at random."""
MOST_TRIES = 20
"""So often the sampler proposes another point where one violates a constraint; then it is drawn at
random."""
MOST_DRAWS = 1_000
"""So many points drawn at random have to violate a constraint until the space has none that does
not."""
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
        believed_share: See `BELIEVED_SHARE`.
    """

    min_runs: int = MIN_RUNS
    random_share: float = RANDOM_SHARE
    shows_shorter: bool = False
    believed_share: float = BELIEVED_SHARE


def propose(
    preset: Preset,
    seed: int,
    generation: int,
    runs: Sequence[EndedRun],
    count: int,
    first_ordinal: int,
    strategy: Strategy = Strategy(),
    warm_start: Sequence[Mapping[str, Any]] = (),
) -> list[PlannedRun]:
    """The new configurations of a generation, each as a run of the smallest budget.

    The preset's arms that were not tried yet come first; what an arm leaves out is drawn at random.
    `count` others follow, fewer where a grid has no more points. `first_ordinal` is the number of
    the first of them. `warm_start` are another study's best configurations: see `BeliefDrawer`.
    None has a network that is larger than the preset's constraints allow; raises InfeasibleError
    where none is found.
    """
    tried = {run.arm for run in runs}
    proposer = _Proposer(preset, seed, generation, runs, strategy, warm_start)
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


class InfeasibleError(UserError):
    """No configuration of the space was found that meets the preset's constraints."""


def check_feasible(preset: Preset) -> None:
    """Raise InfeasibleError if the space, or an arm, has no network that is small enough."""
    if preset.objective is None:
        return
    sampler = RandomSampler(seed=0)
    for arm in preset.arms:
        attrs = {FIXED_PARAMS: stored_params(arm.params)}
        _draw_feasible(preset, sampler, attrs, f"arms.{arm.name}")
    _draw_feasible(preset, sampler, {})


def _draw_feasible(
    preset: Preset, sampler: BaseSampler, attrs: Mapping[str, Any], where: str = "the space"
) -> FrozenTrial:
    """A trial drawn at random whose network is small enough."""
    study = _empty_study()
    for _ in range(MOST_DRAWS):
        trial = _ask(study, preset, sampler, attrs)
        if _is_small_enough(preset, trial.params):
            return trial
    assert preset.objective is not None
    raise InfeasibleError(
        f"{where} has no network that meets {' and '.join(preset.objective.constraints)}, as far "
        f"as {MOST_DRAWS:,} draws show; raise the limit or search smaller networks"
    )


def _is_small_enough(preset: Preset, params: Mapping[str, Any]) -> bool:
    """Does the network meet the constraints, as far as is known before it is trained?"""
    if preset.objective is None or not preset.objective.constraints:
        return True
    try:
        size = parameters(configurations(preset, params, 0)[0])
    except ValidationError:  # its trial will fail, and say why
        return True
    return not preset.objective.is_violated({"parameters": size})


class _Proposer:
    """Asks the samplers for the points of one generation, which they see as running trials."""

    def __init__(
        self,
        preset: Preset,
        seed: int,
        generation: int,
        runs: Sequence[EndedRun],
        strategy: Strategy,
        warm_start: Sequence[Mapping[str, Any]],
    ) -> None:
        self._preset, self._seed, self._runs = preset, seed, runs
        self._share = strategy.random_share
        self._sampler = plain_sampler(preset, seed, generation)
        self._random = RandomSampler(seed=trial_seeds(seed, generation)[1])
        share = share_of_beliefs(strategy.believed_share, generation)
        tried = self._next(WARM_START_POINT)
        self._beliefs = BeliefDrawer(preset, warm_start, seed, generation, share, tried)
        self._study = _empty_study()
        shown = shown_trials(preset, runs, strategy.min_runs, strategy.shows_shorter)
        self._study.add_trials(shown)
        self._knows_nothing = all(trial.value is None for trial in shown)
        self._points = itertools.count(self._next(QMC_POINT))

    def arm(self, params: Mapping[str, Any]) -> FrozenTrial:
        """The trial of an arm."""
        attrs = {FIXED_PARAMS: stored_params(params)}
        return self._feasible(lambda: self._ask(self._random, attrs), attrs)

    def new(self, count: int) -> list[FrozenTrial]:
        """Up to `count` trials of new points."""
        match self._preset.sampler.name:
            case "random" | "qmc":
                return [self._drawn() for _ in range(count)]
            case "grid":
                return list(itertools.islice(self._grid_points(), count))
        return self._modelled(count)

    def _grid_points(self) -> Iterator[FrozenTrial]:
        for point in range(self._next(GRID_ID), grid_size(self._preset)):
            trial = self._ask(self._sampler, {GRID_ID: point})
            if _is_small_enough(self._preset, trial.params):
                yield trial

    def _modelled(self, count: int) -> list[FrozenTrial]:
        """Points of a sampler that learns, among them the quasi-random share."""
        known = len({run.key.configuration for run in self._runs})
        trials = []
        for place in range(known, known + count):
            whole = math.floor((place + 1) * self._share) > math.floor(place * self._share)
            is_drawn = self._knows_nothing or whole
            trials.append(self._drawn() if is_drawn else self._sampled())
        return trials

    def _drawn(self) -> FrozenTrial:
        """A point that no model proposes: a believed one, or one of any."""
        if self._beliefs.is_next():
            return self._feasible(lambda: self._ask(self._random, self._beliefs.draw()))
        return self._sampled() if self._preset.sampler.name == "random" else self._quasi_random()

    def _sampled(self) -> FrozenTrial:
        return self._feasible(lambda: self._ask(self._sampler))

    def _quasi_random(self) -> FrozenTrial:
        """The next point of the sequence."""

        def ask() -> FrozenTrial:
            point = next(self._points)
            sampler = quasi_random_sampler(self._preset, self._seed, point)
            return self._ask(sampler, {QMC_POINT: point})

        return self._feasible(ask)

    def _feasible(
        self, ask: Callable[[], FrozenTrial], attrs: Mapping[str, Any] | None = None
    ) -> FrozenTrial:
        """The first trial of several whose network is small enough, or else one at random.

        Those that are too large go on running in memory: the sampler takes them for bad ones.
        """
        for _ in range(MOST_TRIES):
            trial = ask()
            if _is_small_enough(self._preset, trial.params):
                return trial
        return _draw_feasible(self._preset, self._random, attrs or {})

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
