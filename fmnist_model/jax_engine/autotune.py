"""How many slots an engine is to have, and how it computes convolutions: measured, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import jax

from fmnist_model.jax_engine.engine import VectorizedEngine
from fmnist_model.jax_engine.layers import Convolution
from fmnist_model.utils import Remedy, UserError

MAX_SLOTS = 256
MIN_GAIN = 1.1
"""The number of slots is doubled as long as that trains this many times as many images a second."""
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""What the text of JAX's error contains where memory does not suffice."""

Make = Callable[[int, Convolution], VectorizedEngine]
"""Makes an engine with this many slots and such convolutions."""
Say = Callable[[str], None]


class Choice(NamedTuple):
    """An engine with its compiled program, and the images that it trains in a second."""

    engine: VectorizedEngine
    convolution: Convolution
    speed: float


class TooManySlotsError(UserError):
    """So many slots do not fit into the device's memory."""


def recreate(make: Make, slots: int, convolution: Convolution, say: Say) -> VectorizedEngine:
    """An engine as it was chosen before. Raises TooManySlotsError."""
    choice = _measure(make, slots, convolution)
    say(f"{_describe(choice)}, as before")
    return choice.engine


def choose(make: Make, slots: int | None, say: Say) -> VectorizedEngine:
    """An engine with `slots`, or with as many as pay; says what was chosen and why.

    Raises TooManySlotsError.
    """
    if slots is not None:
        best = _best_convolution(make, slots)
        say(f"{_describe(best)}, as was asked for")
        return best.engine
    best, reason = _grow(make, _best_convolution(make, 1 if _on_cpu() else 8), say)
    say(f"{_describe(best)}; {reason}")
    return best.engine


def _grow(make: Make, best: Choice, say: Say) -> tuple[Choice, str]:
    """Double the number of slots as long as that pays; return why it was not doubled again."""
    while best.engine.slots < MAX_SLOTS:
        count = 2 * best.engine.slots
        say(f"{_describe(best)}; trying {count}")
        try:
            doubled = _measure(make, count, best.convolution)
        except TooManySlotsError:
            return best, f"{count} do not fit into its memory"
        if doubled.speed < MIN_GAIN * best.speed:
            return best, f"{count} trained {doubled.speed / best.speed:.2f} times as many"
        best = doubled
    return best, "more are not tried"


def _best_convolution(make: Make, slots: int) -> Choice:
    if _on_cpu():  # where grouped convolutions were found to be slower by far
        return _measure(make, slots, "matrix")
    return max(
        (_measure(make, slots, "matrix"), _measure(make, slots, "grouped")),
        key=lambda choice: choice.speed,
    )


def _measure(make: Make, slots: int, convolution: Convolution) -> Choice:
    try:
        engine = make(slots, convolution)
        return Choice(engine, convolution, median(engine.measure().images))
    except jax.errors.JaxRuntimeError as error:
        if OUT_OF_MEMORY not in str(error):
            raise
        problem = f"so many do not fit into the memory of {jax.devices()[0]}"
        raise TooManySlotsError(problem, Remedy.TAKE_FEWER_SLOTS, slots=slots) from error


def _describe(choice: Choice) -> str:
    how = {"matrix": "convolving by matrix products", "grouped": "by grouped convolutions"}
    plural = "slots" if choice.engine.slots > 1 else "slot"
    return (
        f"{choice.engine.slots} {plural} on {choice.engine.device}, "
        f"{how[choice.convolution]}: {choice.speed:,.0f} images/s"
    )


def _on_cpu() -> bool:
    return bool(jax.default_backend() == "cpu")
