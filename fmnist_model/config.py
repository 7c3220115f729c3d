"""What to train and how: two frozen configurations that validate themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Activation = Literal[
    "sigmoid",
    "relu",
    "tanh",
    "elu",
    "selu",
    "gelu",
    "silu",
    "leaky_relu",
    "softplus",
    "mish",
]
OutputActivation = Literal["softmax", "relu", "sigmoid"]
Architecture = Literal["cnn", "lenet5", "mlp"]
Precision = Literal["auto", "float32", "bfloat16"]
Padding = Literal["valid", "same"]
OnStuck = Literal["stop", "record"]
Schedule = Literal["constant", "cosine", "one_cycle"]
Units = Annotated[int, Field(ge=1)]

IMAGE_SIDE = 28
CLASSES = 10

_DEFAULTS: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (32, 64), "kernel_size": 3, "dense_units": (128,)},
    "lenet5": {"filters": (6, 16), "kernel_size": 5, "dense_units": (120, 84)},
    "mlp": {"filters": (), "kernel_size": None, "dense_units": (128, 128)},
}


class Frozen(BaseModel):
    """A configuration that cannot change and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Frozen):
    """A network: what `fmnist_model.network.build.build_network` needs, and nothing else.

    `filters`, `kernel_size` and `dense_units` default to those of the architecture; a single
    number of dense units means one dense layer. With `padding` "same" convolutions keep the size
    of what they see, as the first of lenet5 always does. With `batch_normalization` every hidden
    layer's pre-activations are normalised.
    """

    architecture: Architecture = "cnn"
    activation: Activation = "relu"
    output_activation: OutputActivation = "softmax"
    dropout: float = Field(0.0, ge=0, lt=1)
    filters: tuple[Units, ...] = ()
    kernel_size: int | None = Field(None, ge=1)
    padding: Padding = "valid"
    batch_normalization: bool = False
    dense_units: tuple[Units, ...] = Field((), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        architecture = given.get("architecture", "cnn")
        known = _DEFAULTS.get(architecture, {}) if isinstance(architecture, str) else {}
        filled = {**known, **given}
        if isinstance(filled.get("dense_units"), int):
            filled["dense_units"] = (filled["dense_units"],)
        return filled

    @model_validator(mode="after")
    def _check_shape(self) -> ModelConfig:
        if self.architecture == "mlp":
            if self.filters or self.kernel_size is not None or self.padding != "valid":
                raise ValueError(
                    "filters, kernel_size and padding mean nothing to the architecture mlp"
                )
            return self
        if not self.filters or self.kernel_size is None:
            raise ValueError(f"the architecture {self.architecture} needs filters and kernel_size")
        side = IMAGE_SIDE
        for index in range(len(self.filters)):
            same = self.keeps_size(index)
            side = (side if same else side - self.kernel_size + 1) // 2
        if side < 1:
            raise ValueError(
                f"{len(self.filters)} convolutions of kernel_size {self.kernel_size} leave "
                f"nothing of a {IMAGE_SIDE}x{IMAGE_SIDE} image; take fewer or smaller ones"
            )
        return self

    def keeps_size(self, index: int) -> bool:
        """Is the convolution with this index, from 0, padded so that it keeps the image's size?"""
        return self.padding == "same" or (self.architecture == "lenet5" and index == 0)


class TrainConfig(Frozen):
    """How a network is trained: stochastic gradient descent for a fixed number of epochs.

    `learning_rate` is the greatest that `schedule` comes to. `weight_decay` shrinks kernels by
    learning rate x weight decay at each step, as Keras's SGD does. With `flip` half of an epoch's
    images are mirrored, left for right; each is shifted by up to `shift` pixels either way.
    With `on_stuck` "record" a run that is stuck or has exploded goes on all the same, so that it
    can be seen whether it would have recovered. `saturated_patience` is the number of epochs in a
    row that a run may be saturated before it is pruned; None prunes none.
    """

    batch_size: int = Field(1000, ge=1)
    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(0.2, gt=0, allow_inf_nan=False)
    momentum: float = Field(0.0, ge=0, lt=1)
    schedule: Schedule = "constant"
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    flip: bool = False
    shift: int = Field(0, ge=0, lt=IMAGE_SIDE)
    seed: int = Field(0, ge=0, lt=2**31)
    precision: Precision = "auto"
    on_stuck: OnStuck = "stop"
    saturated_patience: int | None = Field(None, ge=1)
