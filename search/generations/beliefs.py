"""Draws new configurations from beliefs: near values, arms, or another study's best ones.

They take the place of a part of those that would else be quasi-random, and of fewer in every
generation, so that a belief that is wrong costs little and is forgotten. That a belief may be
wrong, and has to give way to what a search finds, is from PriorBand (Mallik et al., 2023,
https://arxiv.org/abs/2306.12370).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.presets import SPREAD, Preset, distributions, stored_choice, stored_params
from search.storage import FIXED_PARAMS

BELIEVED_SHARE = 0.375
"""In the first generation beliefs make this share of the points that no model proposes. If they
made all, nothing good would be found for two generations where they are wrong, and nothing would
be gained where they are right: a model has to be shown what is bad, too (LOG.md; `python -m
benchmarks.replay_prior --share 1`)."""
KEPT = 0.8
"""The probability that a believed choice is taken; otherwise it is any, as without the belief."""
WARM_START_POINT = "warm_start_point"
"""The system attribute that holds which configuration of a warm start a trial tries as it is."""
Params = Mapping[str, Any]


def share_of_beliefs(first_share: float, generation: int) -> float:
    """The share that beliefs make in a generation, of those points that no model proposes.

    >>> [share_of_beliefs(0.5, generation) for generation in (0, 1, 4)]
    [0.5, 0.25, 0.1]
    """
    return first_share / (1 + generation)


class BeliefDrawer:
    """Draws the points of one generation that come from beliefs, if anything is believed.

    A point is near one of several centres, which are configurations: all sources of centres (a warm
    start, the arms that the prior names, what it says of hyperparameters) are drawn equally often,
    and so are all centres of one source. What a centre leaves out is drawn as the prior says, and
    what that leaves out as without a belief. The configurations of a warm start are first tried as
    they are, in their order: what is near good ones a model finds by itself.
    """

    def __init__(
        self,
        preset: Preset,
        warm_start: Sequence[Params],
        seed: int,
        generation: int,
        share: float,
        tried: int = 0,
    ) -> None:
        """Prepare to draw from the preset's prior, and near configurations of another study.

        Args:
            preset: What is searched, and what is believed of it.
            warm_start: The configurations of another study, as stored values in the preset's space.
            seed: The study's seed.
            generation: The number of the generation, from 0.
            share: How many of the points that no model proposes are drawn here.
            tried: How many configurations of the warm start have been tried as they are.
        """
        self._sources, self._share = _sources(preset, warm_start), share
        self._warm_start, self._tried = warm_start, tried
        self._space, self._believed = distributions(preset), _believed(preset)
        self._random = np.random.default_rng([seed, generation])
        self._due = self._random.random()  # so that generations of one point get theirs, too

    def is_next(self) -> bool:
        """Is the next of the points that no model proposes drawn here? To be asked once of each."""
        self._due += self._share
        if self._due < 1 or not self._sources:
            return False
        self._due -= 1
        return True

    def draw(self) -> dict[str, Any]:
        """The system attributes of the trial of a point.

        They fix its values, but for those that are drawn as without a belief.
        """
        source = self._one_of(self._sources)
        if source is self._warm_start and self._tried < len(source):
            place, self._tried = self._tried, self._tried + 1
            return {FIXED_PARAMS: {**self._drawn({}), **source[place]}, WARM_START_POINT: place}
        return {FIXED_PARAMS: self._drawn(self._one_of(source))}

    def _drawn(self, centre: Params) -> dict[str, Any]:
        """Values near those of a centre, or where it has none, near what the prior says."""
        near = self._believed | {name: ([value], SPREAD) for name, value in centre.items()}
        drawn = {
            name: self._near(distribution, *near[name])
            for name, distribution in self._space.items()
            if name in near
        }
        return {name: value for name, value in drawn.items() if value is not None}

    def _near(self, distribution: BaseDistribution, values: Sequence[Any], spread: float) -> Any:
        """A value near one of `values`; None where it may be any."""
        if isinstance(distribution, CategoricalDistribution):
            return self._one_of(values) if self._random.random() < KEPT else None
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        middle = _scaled(distribution, values[0])
        while not 0 <= (drawn := self._random.normal(middle, spread)) <= 1:
            pass  # a normal distribution that is cut off where the range ends
        return _unscaled(distribution, drawn)

    def _one_of(self, several: Sequence[Any]) -> Any:
        return several[int(self._random.integers(len(several)))]


def _sources(preset: Preset, warm_start: Sequence[Params]) -> list[Sequence[Params]]:
    """The centres, as stored values, by where they come from."""
    if preset.prior is None:
        return [warm_start] if warm_start else []
    arms = [stored_params(arm.params) for arm in preset.arms if arm.name in preset.prior.arms]
    named: list[Params] = [{}] if preset.prior.beliefs() else []
    return [source for source in (warm_start, arms, named) if source]


def _believed(preset: Preset) -> dict[str, tuple[list[Any], float]]:
    """By hyperparameter the stored values that the prior says good ones are near, and how near."""
    if preset.prior is None:
        return {}
    dimensions = preset.space.dimensions()
    return {
        name: (list(map(stored_choice, belief.choices(dimensions[name]))), belief.spread or SPREAD)
        for name, belief in preset.prior.beliefs().items()
    }


def _scaled(distribution: FloatDistribution | IntDistribution, value: float) -> float:
    """Where a value is in the range, from 0 to 1 on the range's own scale."""
    low, high = _ends(distribution)
    value = math.log(value) if distribution.log else value
    return (value - low) / (high - low) if high > low else 0.5


def _unscaled(distribution: FloatDistribution | IntDistribution, share: float) -> float | int:
    """The value of the distribution that is nearest to a place in its range."""
    low, high = _ends(distribution)
    value = low + share * (high - low)
    return nearest(distribution, math.exp(value) if distribution.log else value)


def nearest(distribution: FloatDistribution | IntDistribution, value: float) -> float | int:
    """The value of the distribution that is nearest to a number: in its range, and on its steps."""
    value = min(max(value, distribution.low), distribution.high)
    if distribution.step is not None:
        steps = round((value - distribution.low) / distribution.step)
        value = min(distribution.low + steps * distribution.step, distribution.high)
    return round(value) if isinstance(distribution, IntDistribution) else float(value)


def _ends(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    low, high = float(distribution.low), float(distribution.high)
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
