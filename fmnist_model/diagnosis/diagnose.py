"""From evidence to diagnosis: is a run healthy, slow, stuck or diverged, and why? NumPy only.

Without momentum, a network whose every gradient is exactly zero on all training images can never
change again. The evidence comes from an engine: for how many steps in a row the first gradient has
been exactly zero, and censuses (`fmnist_model.diagnosis.census`) of all training images taken then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fmnist_model.config import CLASSES
from fmnist_model.diagnosis.census import Census, OutputCensus
from fmnist_model.diagnosis.frozen_loss import CLIPPED, LOSS_CEILING, frozen_loss

Kind = Literal[
    "healthy", "slow", "saturated", "exploded", "dead_output", "dead_layer", "non_finite"
]

GUESSING_BAND = 0.02
"""A loss less than this share below the labels' entropy is no better than guessing."""
ZERO_GRAD_IMAGES = 1000
"""Images in a row without a gradient that an unproved death of the output needs: fewer than one
image in 300 has one then (95 %), by the rule of three."""
PINNED_SHARE = 0.9
"""A layer is saturated if so many of its outputs are pinned (see `VitalSigns`)."""


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


@dataclass(frozen=True)
class Evidence:
    """What is known of a run whose first gradient has been exactly zero for `zero_grad_steps`
    steps.

    `census` was taken without dropout, `after_momentum` with the weights where momentum alone will
    carry them (None without momentum). In training, with masks, `zero_grad_images` images in a row
    let no gradient through. No dropout lies below the layers `before_dropout` (None: there is none
    at all); `other_recovery_paths` names what else might revive any layer. Margins under `rounding`
    do not count as proof. `entropy` is that of the training labels, the loss of a network that only
    knows how frequent they are.
    """

    census: Census
    after_momentum: Census | None
    onset: Moment
    zero_grad_steps: int
    zero_grad_images: int
    before_dropout: frozenset[str] | None
    rounding: float
    entropy: float
    other_recovery_paths: tuple[str, ...] = ()

    def recovery_paths_of(self, layer: str, margin: float) -> list[str]:
        """Why a death of this layer is not proved; empty if it is."""
        ways = []
        if self.before_dropout is not None and layer not in self.before_dropout:
            ways.append("another dropout mask")
        if self.after_momentum is not None:
            ways.append("momentum")
        if margin < self.rounding:
            ways.append("rounding")
        return [*ways, *self.other_recovery_paths]

    def to_dict(self) -> dict[str, Any]:
        """The evidence as plain values, ready for JSON."""
        return {
            "quiet_steps": self.zero_grad_steps,
            "quiet_images": self.zero_grad_images,
            "observed_loss": self.onset.loss,
            "census": self.census.to_dict(),
            "coasted": self.after_momentum.to_dict() if self.after_momentum is not None else None,
        }


def diagnose_stuck(evidence: Evidence) -> Diagnosis | None:
    """Confirm from the censuses that a run cannot learn any more, or return None.

    Where dropout lies below what died, the diagnosis is not certain: some mask not yet drawn might
    revive a unit. With momentum the weights must be dead also where their velocity carries them;
    that is not certain either, for nobody looks at them on the way. See `is_enough`. A dead output
    that is better than guessing has learned what it froze with, and is not stuck.
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

    Of a death that is not certain, training itself has to show that masks do not revive it: by
    SILENT_IMAGES images in a row without a gradient for an output, where a revival only leads from
    one frozen state to the next, and by as many as there are for a hidden layer.
    """
    needed = ZERO_GRAD_IMAGES if diagnosis.layer == "output" else evidence.census.images
    return diagnosis.certain or evidence.zero_grad_images >= needed


def _no_better_than_guessing(output: OutputCensus, entropy: float) -> bool:
    return frozen_loss(output.saturated, output.label_saturated) >= (1 - GUESSING_BAND) * entropy


def _dead_output(output: OutputCensus, evidence: Evidence) -> Diagnosis:
    onset, images = evidence.onset, evidence.census.images
    explained = frozen_loss(output.saturated, output.label_saturated)
    share = output.label_saturated / images
    kinds = [k for k, count in enumerate(output.saturated) if count]
    k = kinds[0] if len(kinds) == 1 else None
    if k == 0:
        state, formula = f"all {CLASSES} outputs are zero", f"ln {CLASSES}"
    elif k is not None:
        state = f"{_outputs(k)} saturated and {_outputs(CLASSES - k)} zero"
        formula = f"(1 - {share:.4f}) * {CLIPPED:.4f} + ln {k}"
    else:
        state = f"{min(kinds)} to {max(kinds)} of the 10 outputs are saturated and the rest zero"
        formula = f"(1 - p) * {CLIPPED:.4f} + mean ln k"
    recovery_paths = evidence.recovery_paths_of("output", output.margin)
    message = (
        f"dead output layer: {state} on every one of {images:,} training images, so every "
        f"gradient has been exactly zero since step {onset.step} of epoch {onset.epoch}; "
        f"the loss is frozen at {formula} = {explained:.4f}{caveat(recovery_paths)}"
    )
    return Diagnosis(
        "dead_output",
        message,
        not recovery_paths,
        "output",
        onset.epoch,
        onset.step,
        evidence.to_dict() | {"ways_out": recovery_paths},
        live_outputs=k,
        explained_loss=explained,
    )


def _outputs(count: int) -> str:
    return f"{count} output is" if count == 1 else f"{count} outputs are"


def _dead_layer(layer: str, evidence: Evidence) -> Diagnosis:
    onset, census = evidence.onset, evidence.census.layers[layer]
    recovery_paths = evidence.recovery_paths_of(layer, census.margin)
    message = (
        f"dead hidden layer: all {census.units} units of {layer} are inactive on every one "
        f"of {evidence.census.images:,} training images since step {onset.step} of epoch "
        f"{onset.epoch}; nothing of an image gets past it, so the layers behind it can only learn "
        f"how frequent each class is, a loss of {evidence.entropy:.4f}{caveat(recovery_paths)}"
    )
    return Diagnosis(
        "dead_layer",
        message,
        not recovery_paths,
        layer,
        onset.epoch,
        onset.step,
        evidence.to_dict() | {"ways_out": recovery_paths},
        explained_loss=evidence.entropy,
    )


def caveat(recovery_paths: list[str]) -> str:
    """What a message says of a death that is not proved; nothing without recovery paths."""
    return (
        f" (not proved: {' or '.join(recovery_paths)} might still revive it)"
        if recovery_paths
        else ""
    )


def diverged(moment: Moment, what: str, origin: str | None, layer: str | None) -> Diagnosis:
    """The diagnosis of a run whose loss is not finite.

    `origin` says what was the first thing in the network not to be finite, and `layer` where.
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


@dataclass(frozen=True)
class VitalSigns:
    """The hidden layers of a living network on a sample of training images.

    `dead_fraction`: the share of a layer's units that are inactive on every image of the sample.
    `pinned`: of sigmoid and tanh layers, the share of outputs, over units and images, whose
    derivative is less than a hundredth of its greatest. `scale`: the greatest absolute
    pre-activation of each hidden layer and of the output layer.
    """

    images: int
    dead_fraction: Mapping[str, float]
    pinned: Mapping[str, float]
    scale: Mapping[str, float]

    def saturated_layer(self) -> str | None:
        """The first layer with nearly all of its outputs pinned."""
        return next((name for name, share in self.pinned.items() if share >= PINNED_SHARE), None)

    def greatest_gain(self) -> tuple[str, float]:
        """The layer that magnifies most, from images of scale 1 on, and by how much."""
        below = [1.0, *self.scale.values()]
        gains = {
            name: scale / before if before > 0 else 0.0
            for (name, scale), before in zip(self.scale.items(), below, strict=False)
        }
        layer = max(gains, key=lambda name: gains[name])
        return layer, gains[layer]


def exploded(onset: Moment, signs: VitalSigns, dead: Diagnosis | None = None) -> Diagnosis:
    """The diagnosis of a finite loss above any that a clipped output can have, since `onset`.

    A network that has also died of it, as ELU networks do, cannot recover if that is `certain`.
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
    """The diagnosis of a run that is neither stuck nor diverged, by its loss over the last epoch.

    With a loss no better than guessing it is `saturated` if a layer is, and `slow` otherwise:
    nothing is dead, so it may yet begin (sigmoid networks do). Above any loss that a clipped
    output can have, (1 - p) * 16.1181 + ln k, it is `exploded`.
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
