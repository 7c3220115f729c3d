"""What to train and how: two frozen configurations that validate themselves.

A field that a search may vary, a hyperparameter, says so by `Searchable`. All else that is to be
known of it is read from the field: `fmnist_model.hyperparameters` collects them. To add a
hyperparameter, add a field here, and what it does to the network (`fmnist_model.network`) or to the
training (`fmnist_model.tensorflow_engine`, `fmnist_model.jax_engine`). Presets, samplers and
reports then know it.
"""

from __future__ import annotations

from dataclasses import dataclass
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
Precision = Literal["float32", "bfloat16"]
RequestedPrecision = Literal["auto", Precision]
Padding = Literal["valid", "same"]
OnStuck = Literal["stop", "record"]
Schedule = Literal["constant", "cosine", "one_cycle"]
Units = Annotated[int, Field(ge=1)]
JaxSupport = Literal["per_slot", "shared", "unsupported"]

IMAGE_SIDE = 28
CLASSES = 10
PROBABILITY_CLIP = 1e-7
"""Keras's cross-entropy clips probabilities to [1e-7, 1 - 1e-7] before it takes the logarithm. This
is Keras's default `keras.config.epsilon()`, written down here for modules that must not import
Keras."""

_SIZES: dict[str, dict[str, Any]] = {
    "cnn": {"filters": (32, 64), "kernel_size": 3, "dense_units": (128,)},
    "lenet5": {"filters": (6, 16), "kernel_size": 5, "dense_units": (120, 84)},
    "mlp": {"filters": (), "kernel_size": None, "dense_units": (128, 128)},
}
"""The sizes of each architecture, where a configuration does not give its own."""


@dataclass(frozen=True)
class Searchable:
    """Marks a field of a configuration as a hyperparameter, which a preset may search.

    Attributes:
        jax: What the JAX engine makes of it. "per_slot": it is an input of the device program, so
            trials that train side by side may differ in it. "shared": the program is compiled for
            one value, the same in all slots. "unsupported": only the default value trains there.
        changes_step_cost: Whether a training step takes longer with one value than with another.
        range_type: The type of the numbers if it can be searched as a range from low to high
            although its own type is not a number. None: the field's type decides.
    """

    jax: JaxSupport = "unsupported"
    changes_step_cost: bool = True
    range_type: type[int] | type[float] | None = None


class Frozen(BaseModel):
    """A configuration that cannot change and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Frozen):
    """A network: what `fmnist_model.network.build.build_network` needs, and nothing else.

    Raises pydantic's ValidationError where a value is not allowed, or the convolutions would leave
    nothing of the image.

    Attributes:
        architecture: "cnn" and "lenet5" convolve, "mlp" has dense layers only.
        activation: The activation function of the hidden layers.
        output_activation: The activation function of the ten outputs.
        dropout: The share of units that is dropped before the output layer, from 0 to below 1.
        filters: The filters of each convolution; by default those of the architecture.
        kernel_size: The side of the convolutions' kernels, in pixels; by default that of the
            architecture.
        padding: With "same" convolutions keep the size of what they see. The first one of lenet5
            always does.
        batch_normalization: Whether the pre-activations of every hidden layer are normalised.
        dense_units: The units of each hidden dense layer; a single number means one layer. By
            default those of the architecture.

    >>> ModelConfig(dense_units=64).dense_units
    (64,)
    >>> ModelConfig(architecture="lenet5").filters
    (6, 16)
    """

    architecture: Annotated[Architecture, Searchable("shared")] = "cnn"
    activation: Annotated[Activation, Searchable("per_slot")] = "relu"
    output_activation: Annotated[
        OutputActivation, Searchable("per_slot", changes_step_cost=False)
    ] = "softmax"
    dropout: Annotated[
        float, Field(ge=0, lt=1), Searchable("per_slot", changes_step_cost=False)
    ] = 0.0
    filters: Annotated[tuple[Units, ...], Searchable("shared")] = ()
    kernel_size: Annotated[int | None, Field(ge=1), Searchable("shared")] = None
    padding: Annotated[Padding, Searchable("shared")] = "valid"
    batch_normalization: Annotated[bool, Searchable()] = False
    dense_units: Annotated[
        tuple[Units, ...], Field(min_length=1), Searchable("shared", range_type=int)
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_sizes(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        architecture = given.get("architecture", "cnn")
        known = _SIZES.get(architecture, {}) if isinstance(architecture, str) else {}
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
        if self._side_after_convolutions(self.kernel_size) < 1:
            raise ValueError(
                f"{len(self.filters)} convolutions of kernel_size {self.kernel_size} leave "
                f"nothing of a {IMAGE_SIDE}x{IMAGE_SIDE} image; take fewer or smaller ones"
            )
        return self

    def _side_after_convolutions(self, kernel_size: int) -> int:
        """The side of the image after all convolutions, each followed by 2x2 pooling, in pixels."""
        side = IMAGE_SIDE
        for index in range(len(self.filters)):
            side = (side if self.keeps_size(index) else side - kernel_size + 1) // 2
        return side

    def keeps_size(self, index: int) -> bool:
        """Is the convolution with this index, from 0, padded so that it keeps the image's size?"""
        return self.padding == "same" or (self.architecture == "lenet5" and index == 0)


class TrainConfig(Frozen):
    """How a network is trained: stochastic gradient descent for a fixed number of epochs.

    Raises pydantic's ValidationError where a value is not allowed.

    Attributes:
        batch_size: Images in a training step.
        epochs: Passes over the training images.
        learning_rate: The greatest learning rate that `schedule` comes to.
        momentum: The momentum of SGD, from 0 to below 1.
        schedule: How the learning rate changes during training
            (`fmnist_model.training.lr_schedule`).
        weight_decay: Each step shrinks kernels by learning rate x weight decay, as in Keras's SGD.
        flip: Whether half of an epoch's images are mirrored, left for right.
        shift: Each image is shifted by up to so many pixels, either way.
        seed: Decides the first weights, the order of the images, dropout and augmentation.
        precision: What the network computes in; "auto" chooses what is fastest on the device
            (`fmnist_model.utils.device.resolve_precision`).
        on_stuck: With "record" a run that is stuck, or whose loss has exploded, goes on all the
            same, so that it can be seen whether it would have recovered.
        saturated_patience: Epochs in a row that a run may be saturated before it is pruned; None
            prunes none.

    >>> TrainConfig(learning_rate=0.1, momentum=0.9).batch_size
    1000
    """

    batch_size: Annotated[int, Field(ge=1), Searchable("shared")] = 1000
    epochs: int = Field(10, ge=1)
    learning_rate: Annotated[
        float, Field(gt=0, allow_inf_nan=False), Searchable("per_slot", changes_step_cost=False)
    ] = 0.2
    momentum: Annotated[
        float, Field(ge=0, lt=1), Searchable("per_slot", changes_step_cost=False)
    ] = 0.0
    schedule: Annotated[Schedule, Searchable("per_slot", changes_step_cost=False)] = "constant"
    weight_decay: Annotated[
        float, Field(ge=0, allow_inf_nan=False), Searchable("per_slot", changes_step_cost=False)
    ] = 0.0
    flip: Annotated[bool, Searchable()] = False
    shift: Annotated[int, Field(ge=0, lt=IMAGE_SIDE), Searchable()] = 0
    seed: int = Field(0, ge=0, lt=2**31)
    precision: RequestedPrecision = "auto"
    on_stuck: OnStuck = "stop"
    saturated_patience: int | None = Field(None, ge=1)
