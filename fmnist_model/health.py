"""From evidence to diagnosis: is a run healthy, slow, stuck or diverged, and why? NumPy only.

The evidence comes from an engine: for how many steps each gradient has been *exactly* zero, and a
census, one pass over the training images that counts which units are active on any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fmnist_model.config import CLASSES

Kind = Literal["healthy", "slow", "exploded", "dead_output", "dead_layer", "non_finite"]

CLIPPED = -math.log(1e-7)
"""The loss of an output clipped at Keras's epsilon: 16.1181."""
WORST = CLIPPED + math.log(CLASSES)
"""No clipped output has a greater loss than (1 - p) * 16.1181 + ln k with p = 0 and k = 10."""


@dataclass(frozen=True)
class Census:
    """Which units are active on any training image, counted on pre-activations.

    `active` and `units` count, for each hidden ReLU layer in forward order, the units with a
    positive pre-activation on at least one image, and all of them. The rest is of a ReLU output
    layer (None for others): `open_outputs` counts outputs strictly inside the clip, through which
    a gradient can flow; `saturated[k]` counts images with k outputs above it, and
    `label_saturated` the images whose own label is among these. A census that was cut short, as
    it is once it has ruled every fault out, has `complete` False.
    """

    images: int
    complete: bool
    active: Mapping[str, int]
    units: Mapping[str, int]
    open_outputs: int | None
    saturated: tuple[int, ...] | None
    label_saturated: int | None

    def dead_layers(self) -> list[str]:
        """Hidden ReLU layers without one active unit, in forward order."""
        return [name for name, active in self.active.items() if active == 0]

    def output_is_dead(self) -> bool:
        """Is every output constant, dead or clipped, on every image?"""
        return self.complete and self.open_outputs == 0


@dataclass(frozen=True)
class Moment:
    """When a run was looked at: `step` within its `epoch`, both from 1, and the loss there."""

    epoch: int
    step: int
    loss: float


@dataclass(frozen=True)
class Diagnosis:
    """What a run suffers from, since when, how we know, and whether that is proved.

    `step` and `epoch` say where it began; `live_outputs` is the number k of saturated output
    units where it is the same for all images; `explained_loss` is the loss that the diagnosis
    predicts, in closed form.
    """

    kind: Kind
    message: str
    certain: bool = True
    layer: str | None = None
    epoch: int | None = None
    step: int | None = None
    evidence: Mapping[str, Any] | None = None
    live_outputs: int | None = None
    explained_loss: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain values, ready for JSON."""
        return asdict(self)


def frozen_loss(saturated: tuple[int, ...], label_saturated: int) -> float:
    """The loss of a dead ReLU output layer: mean ln k + (1 - p) * 16.1181.

    k is the number of saturated outputs of an image (`saturated[k]` images have k; none saturated
    counts as all ten, for ten equal outputs are ten equal outputs), p the share of images whose
    label is saturated. Where no output is saturated at all, the loss is ln 10.
    """
    counts = np.asarray(saturated, dtype=float)
    images = counts.sum()
    log_k = np.log([CLASSES, *range(1, CLASSES + 1)])
    unsaturated_labels = images - counts[0] - label_saturated
    return float((counts @ log_k + unsaturated_labels * CLIPPED) / images)


def diagnose_stuck(
    clean: Census,
    masked: Census | None,
    onset: Moment,
    quiet_steps: int,
    momentum: float,
    layers_below_dropout: frozenset[str],
    entropy: float,
) -> Diagnosis | None:
    """Confirm from the census that a run cannot learn any more, or return None.

    `clean` was taken without dropout, `masked` with it (None where its rate is 0). A hidden layer
    that no dropout precedes, and the whole of a network without dropout, are judged on the first
    alone; elsewhere both must agree, and the diagnosis is not certain: some mask not yet drawn
    might revive a unit. Nor is it with momentum, whose velocity still moves the weights. `entropy`
    is that of the training labels, the loss of a network that only knows how frequent they are.
    """
    evidence = {
        "quiet_steps": quiet_steps,
        "momentum": momentum,
        "census": asdict(clean),
        "census_with_dropout": asdict(masked) if masked else None,
    }
    by_momentum = ["momentum"] if momentum > 0 else []
    by_mask = ["another dropout mask"] if masked is not None else []
    if clean.output_is_dead() and (masked is None or masked.output_is_dead()):
        return _dead_output(clean, by_mask + by_momentum, onset, evidence)
    for layer in clean.dead_layers():
        if layer in layers_below_dropout:
            return _dead_layer(clean, layer, by_momentum, onset, evidence, entropy)
        if masked is None or layer in masked.dead_layers():
            return _dead_layer(clean, layer, by_mask + by_momentum, onset, evidence, entropy)
    return None


def _dead_output(
    census: Census, ways_out: list[str], onset: Moment, evidence: dict[str, Any]
) -> Diagnosis:
    assert census.saturated is not None
    assert census.label_saturated is not None
    explained = frozen_loss(census.saturated, census.label_saturated)
    share = census.label_saturated / census.images
    kinds = [k for k, count in enumerate(census.saturated) if count]
    k = kinds[0] if len(kinds) == 1 else None
    if k == 0:
        state, formula = "all 10 outputs are zero", "ln 10"
    elif k is not None:
        state = f"{_outputs(k)} saturated and {_outputs(CLASSES - k)} zero"
        formula = f"(1 - {share:.4f}) * {CLIPPED:.4f} + ln {k}"
    else:
        state = f"{min(kinds)} to {max(kinds)} of the 10 outputs are saturated and the rest zero"
        formula = f"(1 - p) * {CLIPPED:.4f} + mean ln k"
    message = (
        f"dead output layer: {state} on every one of {census.images:,} training images, so every "
        f"gradient has been exactly zero since step {onset.step} of epoch {onset.epoch}; "
        f"the loss is frozen at {formula} = {explained:.4f}{_caveat(ways_out)}"
    )
    certain = not ways_out
    return Diagnosis(
        "dead_output", message, certain, "output", onset.epoch, onset.step, evidence, k, explained
    )


def _outputs(count: int) -> str:
    return f"{count} output is" if count == 1 else f"{count} outputs are"


def _dead_layer(
    census: Census,
    layer: str,
    ways_out: list[str],
    onset: Moment,
    evidence: dict[str, Any],
    entropy: float,
) -> Diagnosis:
    message = (
        f"dead hidden layer: all {census.units[layer]} units of {layer} are inactive on every one "
        f"of {census.images:,} training images since step {onset.step} of epoch {onset.epoch}; "
        f"nothing of an image gets past it, so the layers behind it can only learn how frequent "
        f"each class is, a loss of {entropy:.4f}{_caveat(ways_out)}"
    )
    return Diagnosis(
        "dead_layer",
        message,
        not ways_out,
        layer,
        onset.epoch,
        onset.step,
        evidence,
        explained_loss=entropy,
    )


def _caveat(ways_out: list[str]) -> str:
    return f" (not proved: {' or '.join(ways_out)} might still revive it)" if ways_out else ""


def diverged(moment: Moment, what: str) -> Diagnosis:
    """The diagnosis of a run whose loss or validation loss is not finite."""
    message = f"the {what} is not finite at step {moment.step} of epoch {moment.epoch}"
    evidence = {what.replace(" ", "_"): repr(moment.loss)}
    return Diagnosis("non_finite", message, epoch=moment.epoch, step=moment.step, evidence=evidence)


def label_entropy(labels: Any) -> float:
    """The entropy of the classes in `labels`, in nats: ln 10 where all ten are equally frequent."""
    shares = np.bincount(labels, minlength=CLASSES) / len(labels)
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def living(loss: float | None, entropy: float) -> Diagnosis:
    """The diagnosis of a run that was neither stuck nor diverged, by its last training loss.

    `slow`: within 2 % of the labels' entropy, as a network that has learned nothing but the
    frequency of the classes; nothing is dead, so it may yet begin (sigmoid layers do).
    `exploded`: finite, but above any loss that a clipped output can have, (1 - p) * 16.1181 + ln k.
    """
    if loss is not None and abs(loss - entropy) < 0.02 * entropy:
        message = f"slow: loss {loss:.4f} is that of guessing ({entropy:.4f}), but nothing is dead"
        return Diagnosis("slow", message, certain=False, evidence={"loss": loss})
    if loss is not None and loss > WORST:
        message = (
            f"exploded: loss {loss:.4g} is finite, but worse than being certain and wrong about "
            f"every image ({WORST:.2f})"
        )
        return Diagnosis("exploded", message, certain=False, evidence={"loss": loss})
    return Diagnosis("healthy", "healthy", certain=False, evidence={"loss": loss})
