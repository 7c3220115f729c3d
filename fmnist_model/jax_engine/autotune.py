"""How many slots a population is to have, and how it convolves: measured, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import jax

from fmnist_model.jax_engine.engine import VectorizedEngine
from fmnist_model.jax_engine.train_step import Convolution
from fmnist_model.utils.errors import UserError

MAX_SLOTS = 256
GAIN = 1.1
"""Twice as many slots are taken where they train so many times as many images a second."""
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""What JAX's error says then."""

Make = Callable[[int, Convolution], VectorizedEngine]
Say = Callable[[str], None]


class Choice(NamedTuple):
    """A population with its compiled program, and the images that it trains in a second."""

    population: VectorizedEngine
    convolution: Convolution
    speed: float


class TooManySlotsError(UserError):
    """So many slots do not fit into the device's memory."""


def recreate(make: Make, slots: int, convolution: Convolution, say: Say) -> VectorizedEngine:
    """A population as it was chosen before. Raises TooManySlotsError."""
    choice = _measured(make, slots, convolution)
    say(f"{_described(choice)}, as before")
    return choice.population


def choose(make: Make, slots: int | None, say: Say) -> VectorizedEngine:
    """A population of `slots`, or of as many as pay; says what was chosen and why.

    `make` builds one with so many slots and such convolutions. Raises TooManySlotsError.
    """
    if slots is not None:
        best = _best_convolution(make, slots)
        say(f"{_described(best)}, as was asked for")
        return best.population
    best = _best_convolution(make, 1 if _on_cpu() else 8)
    while True:
        count = best.population.slots
        if count == MAX_SLOTS:
            why = "more are not tried"
            break
        say(f"{_described(best)}; trying {2 * count}")
        try:
            twice = _measured(make, 2 * count, best.convolution)
        except TooManySlotsError:
            why = f"{2 * count} do not fit into its memory"
            break
        if twice.speed < GAIN * best.speed:
            why = f"{2 * count} trained {twice.speed / best.speed:.2f} times as many"
            break
        best = twice
    say(f"{_described(best)}; {why}")
    return best.population


def _best_convolution(make: Make, slots: int) -> Choice:
    if _on_cpu():  # where grouped convolutions were found to be slower by far
        return _measured(make, slots, "matrix")
    return max(
        (_measured(make, slots, "matrix"), _measured(make, slots, "grouped")),
        key=lambda choice: choice.speed,
    )


def _measured(make: Make, slots: int, convolution: Convolution) -> Choice:
    try:
        population = make(slots, convolution)
        return Choice(population, convolution, median(population.measure().images))
    except jax.errors.JaxRuntimeError as error:
        if OUT_OF_MEMORY not in str(error):
            raise
        raise TooManySlotsError(
            f"SLOTS={slots}: so many do not fit into the memory of {jax.devices()[0]}; take fewer"
        ) from error


def _described(choice: Choice) -> str:
    how = {"matrix": "convolving by matrix products", "grouped": "by grouped convolutions"}
    plural = "slots" if choice.population.slots > 1 else "slot"
    return (
        f"{choice.population.slots} {plural} on {choice.population.device}, "
        f"{how[choice.convolution]}: {choice.speed:,.0f} images/s"
    )


def _on_cpu() -> bool:
    return bool(jax.default_backend() == "cpu")
