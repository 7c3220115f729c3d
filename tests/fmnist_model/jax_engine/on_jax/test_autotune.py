"""How many slots are chosen, by engines whose speeds are made up: a real one's can't be set."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import pytest

from fmnist_model.jax_engine import autotune
from fmnist_model.jax_engine.autotune import TooManySlotsError, choose, recreate
from fmnist_model.jax_engine.speed import Speed


def maker(speeds):
    """Makes engines with the images/s of `speeds[slots]`; more slots do not fit into memory."""

    def make(slots, convolution):
        if slots not in speeds:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        rate = speeds[slots] * (0.5 if convolution == "grouped" else 1)
        measure = SimpleNamespace(measure=lambda: Speed(1.0, [rate]))
        return SimpleNamespace(slots=slots, device="CPU (some)", **vars(measure))

    return make


@pytest.mark.parametrize(
    ("speeds", "slots", "reason"),
    [
        ({1: 100, 2: 190, 4: 200}, 2, "4 trained 1.05 times as many"),
        ({1: 100, 2: 190}, 2, "4 do not fit into its memory"),
        ({2**n: 2.0**n for n in range(10)}, autotune.MAX_SLOTS, "more are not tried"),
    ],
)
def test_slots_are_doubled_as_long_as_that_pays(speeds, slots, reason):
    said = []
    assert choose(maker(speeds), None, said.append).slots == slots
    assert said[-1].endswith(reason)
    assert f"{slots} slots on CPU (some), convolving by matrix products" in said[-1]


def test_what_was_asked_for_or_chosen_before_is_taken():
    said = []
    assert choose(maker({3: 10}), 3, said.append).slots == 3
    assert recreate(maker({3: 10}), 3, "grouped", said.append).slots == 3
    assert said[0].endswith("as was asked for")
    assert said[1] == "3 slots on CPU (some), by grouped convolutions: 5 images/s, as before"
    with pytest.raises(TooManySlotsError, match="so many do not fit into the memory of"):
        choose(maker({}), 5, said.append)


def test_on_a_gpu_the_faster_convolution_is_taken(monkeypatch):
    monkeypatch.setattr(autotune, "_on_cpu", lambda: False)
    said = []
    choose(maker({8: 100, 16: 100}), None, said.append)
    assert "8 slots on CPU (some), convolving by matrix products: 100 images/s" in said[-1]


def test_another_error_of_jax_is_not_taken_for_want_of_memory():
    def make(slots, convolution):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        choose(make, 4, print)
