"""From evidence to diagnosis: is a run healthy, slow, stuck or diverged, and why? NumPy only.

Without momentum, a network whose every gradient is exactly zero on all training images can never
change again. An engine brings the evidence (`fmnist_model.diagnosis.evidence`): for how many steps
in a row the first gradient has been exactly zero, and a census of all training images then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fmnist_model.config import CLASSES
from fmnist_model.diagnosis.census import OutputCensus
from fmnist_model.diagnosis.evidence import Evidence, Moment, VitalSigns
from fmnist_model.diagnosis.frozen_losses import CLIPPED, LOSS_CEILING, frozen_loss

Kind = Literal[
    "healthy", "slow", "saturated", "exploded", "dead_output", "dead_layer", "non_finite"
]

GUESSING_BAND = 0.02
"""A loss less than this share below the labels' entropy is no better than guessing."""
ZERO_GRAD_IMAGES = 1000
"""How many images in a row must give no gradient before a run is stopped for a dead output that is
not proved. By the rule of three, fewer than one image in 300 gives one then (95 % confidence)."""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run, since when, how that is known, and whether it is proved.

    `message` says all of it in a sentence for people, and `certain` whether it is proved. `layer`
    is where the fault lies, `epoch` and `step` when it began, both from 1. `live_outputs` is the
    number k of saturated output units, where that is the same for all images; `explained_loss` is
    the loss that the diagnosis predicts, in closed form. What does not apply is None.
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


def diagnose_stuck(evidence: Evidence) -> Diagnosis | None:
    """Confirm from the censuses that a run cannot learn any more.

    The diagnosis is not certain where dropout precedes what died, for a mask that was not drawn
    yet might revive a unit. With momentum the network must be dead also with the weights to which
    their velocity carries them; that is not certain either, for the weights on the way there are
    not examined. `is_enough` says whether a run whose death is not certain is to be stopped. A dead
    output whose loss is better than guessing has learned something before it died, and does not
    count as stuck.

    Args:
        evidence: What is known of the run, with a census of all training images.

    Returns:
        A diagnosis of the kind "dead_output" or "dead_layer", or None for a run that may go on.

    Example:
        A layer `dense1` of which no unit is active on any of 1,000 images:

        >>> from fmnist_model.diagnosis.census import Census, LayerCensus
        >>> from fmnist_model.diagnosis.evidence import Evidence, Moment
        >>> census = Census(1000, True, {"dense1": LayerCensus(128, active=0, margin=0.5)}, None)
        >>> onset = Moment(epoch=2, step=7, loss=2.3026)
        >>> diagnosis = diagnose_stuck(
        ...     Evidence(census, None, onset, zero_grad_steps=5, zero_grad_images=500,
        ...              before_dropout=None, rounding=0.0, entropy=2.3026)
        ... )
        >>> diagnosis.kind, diagnosis.layer, diagnosis.certain
        ('dead_layer', 'dense1', True)
    """
    output, after_momentum = evidence.census.output, evidence.after_momentum
    if output is not None and evidence.census.output_is_dead():
        stays = after_momentum is None or after_momentum.output_is_dead()
        if stays and _no_better_than_guessing(output, evidence.entropy):
            return _dead_output(output, evidence)
    for layer in evidence.census.dead_layers():
        if after_momentum is None or layer in after_momentum.dead_layers():
            return _dead_layer(layer, evidence)
    return None


def is_enough(diagnosis: Diagnosis, evidence: Evidence) -> bool:
    """Is the evidence enough to stop the run?

    Where a death is not certain, training itself has to show that dropout masks do not revive the
    layer: an output by ZERO_GRAD_IMAGES images in a row without a gradient, as a revival only leads
    from one frozen state to the next; a hidden layer by as many images as there are in training.
    """
    needed = ZERO_GRAD_IMAGES if diagnosis.layer == "output" else evidence.census.images
    return diagnosis.certain or evidence.zero_grad_images >= needed


def _no_better_than_guessing(output: OutputCensus, entropy: float) -> bool:
    return frozen_loss(output.saturated, output.label_saturated) >= (1 - GUESSING_BAND) * entropy


def _dead_output(output: OutputCensus, evidence: Evidence) -> Diagnosis:
    onset, images = evidence.onset, evidence.census.images
    explained = frozen_loss(output.saturated, output.label_saturated)
    k, state, formula = _frozen_state(output, images)
    paths = evidence.recovery_paths_of("output", output.margin)
    message = (
        f"dead output layer: {state} on every one of {images:,} training images, so every "
        f"gradient has been exactly zero since step {onset.step} of epoch {onset.epoch}; "
        f"the loss is frozen at {formula} = {explained:.4f}{caveat(paths)}"
    )
    return Diagnosis(
        "dead_output",
        message,
        not paths,
        "output",
        onset.epoch,
        onset.step,
        evidence.to_dict() | {"ways_out": paths},
        live_outputs=k,
        explained_loss=explained,
    )


def _frozen_state(output: OutputCensus, images: int) -> tuple[int | None, str, str]:
    """How many outputs are saturated (None if it differs between images), that state in words, and
    the formula of its loss."""
    counts = [k for k, count in enumerate(output.saturated) if count]
    if len(counts) > 1:
        state = f"{min(counts)} to {max(counts)} of the 10 outputs are saturated and the rest zero"
        return None, state, f"(1 - p) * {CLIPPED:.4f} + mean ln k"
    (k,) = counts
    if k == 0:
        return k, f"all {CLASSES} outputs are zero", f"ln {CLASSES}"
    share = output.label_saturated / images
    state = f"{_outputs(k)} saturated and {_outputs(CLASSES - k)} zero"
    return k, state, f"(1 - {share:.4f}) * {CLIPPED:.4f} + ln {k}"


def _outputs(count: int) -> str:
    return f"{count} output is" if count == 1 else f"{count} outputs are"


def _dead_layer(layer: str, evidence: Evidence) -> Diagnosis:
    onset, census = evidence.onset, evidence.census.layers[layer]
    paths = evidence.recovery_paths_of(layer, census.margin)
    message = (
        f"dead hidden layer: all {census.units} units of {layer} are inactive on every one "
        f"of {evidence.census.images:,} training images since step {onset.step} of epoch "
        f"{onset.epoch}; nothing of an image gets past it, so the layers behind it can only learn "
        f"how frequent each class is, a loss of {evidence.entropy:.4f}{caveat(paths)}"
    )
    return Diagnosis(
        "dead_layer",
        message,
        not paths,
        layer,
        onset.epoch,
        onset.step,
        evidence.to_dict() | {"ways_out": paths},
        explained_loss=evidence.entropy,
    )


def caveat(recovery_paths: list[str]) -> str:
    """What a message adds about a death that is not proved; nothing without recovery paths."""
    if not recovery_paths:
        return ""
    return f" (not proved: {' or '.join(recovery_paths)} might still revive it)"


def diverged(moment: Moment, what: str, origin: str | None, layer: str | None) -> Diagnosis:
    """The diagnosis of a run whose loss is not finite.

    `what` names that loss; `origin` says what was the first thing in the network that was not
    finite, and `layer` where it was (None where that is not known).
    """
    because = f": {origin}" if origin is not None else ""
    return Diagnosis(
        "non_finite",
        f"the {what} is not finite at step {moment.step} of epoch {moment.epoch}{because}",
        layer=layer,
        epoch=moment.epoch,
        step=moment.step,
        evidence={what.replace(" ", "_"): repr(moment.loss), "origin": origin},
    )


def exploded(onset: Moment, signs: VitalSigns, dead: Diagnosis | None = None) -> Diagnosis:
    """The diagnosis of a finite loss above any that a clipped output can have, since `onset`.

    `dead` is the diagnosis of a network that has also died of it, as ELU networks do. Such a
    network cannot recover if its death is certain; the diagnosis is certain only then.
    """
    layer, gain = signs.greatest_gain()
    also = f"; {dead.layer} died of it and has no gradient any more" if dead is not None else ""
    message = (
        f"exploded: since step {onset.step} of epoch {onset.epoch} the loss, now "
        f"{onset.loss:.4g}, is finite but worse than being certain and wrong about every image "
        f"({LOSS_CEILING:.2f}); {layer} magnifies most, {gain:.3g} times{also}"
    )
    return Diagnosis(
        "exploded",
        message,
        dead is not None and dead.certain,
        layer,
        onset.epoch,
        onset.step,
        evidence={
            "loss": onset.loss,
            "worst_clipped_loss": LOSS_CEILING,
            "scale": dict(signs.scale),
        },
    )


def living(now: Moment, entropy: float, signs: VitalSigns) -> Diagnosis:
    """The diagnosis of a run in which nothing is dead, by its loss over the last epoch.

    `now` has that loss, and `entropy` is that of the training labels, in nats. A run whose loss is
    no better than guessing is "saturated" if one of its layers is, and "slow" otherwise: it may yet
    begin to learn, as sigmoid networks do. One with a loss above LOSS_CEILING has "exploded".
    """
    if now.loss > LOSS_CEILING:
        return exploded(now, signs)
    if now.loss < (1 - GUESSING_BAND) * entropy:
        return Diagnosis("healthy", "healthy", certain=False, evidence={"loss": now.loss})
    layer = signs.saturated_layer()
    if layer is None:
        message = (
            f"slow: loss {now.loss:.4f} is no better than guessing ({entropy:.4f}), "
            "but nothing is dead"
        )
        return Diagnosis("slow", message, certain=False, evidence={"loss": now.loss})
    message = (
        f"saturated: {signs.pinned[layer]:.0%} of the outputs of {layer} are pinned, and loss "
        f"{now.loss:.4f} is no better than guessing ({entropy:.4f}); gradients are tiny, not zero"
    )
    evidence = {"loss": now.loss, "images": signs.images, "pinned": dict(signs.pinned)}
    return Diagnosis("saturated", message, False, layer, now.epoch, now.step, evidence=evidence)
