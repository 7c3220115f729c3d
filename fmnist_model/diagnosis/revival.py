"""Is a dead layer of a Keras model dead for good? What might move its weights, or its inputs.

The answer is a list of recovery paths, empty where plain SGD can be proved to change nothing any
more. What is not known to be harmless is a way out: a proof that is missed costs little, a wrong
one all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

PLAIN_LAYERS = (
    *("InputLayer", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Identity"),
    *("Dense", "EinsumDense", "Embedding", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D"),
    *("Conv2DTranspose", "SeparableConv2D", "LayerNormalization", "Normalization", "Rescaling"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D"),
    *("AveragePooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "Flatten", "Reshape", "Permute"),
    *("RepeatVector", "ZeroPadding2D", "Cropping2D", "UpSampling2D"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
)
"""Layers that give the same output for the same sample, whatever else is in the batch, and change
their weights by gradients alone."""

LASTING = ("weight decay", "a constraint on the weights", "a moving average of the weights")
"""Ways out that work on for as long as training does: a run that has one is never stopped."""


def recovery_paths(
    model: keras.Model, before: Sequence[Any], behind: Sequence[Any], single_samples: bool
) -> list[str]:
    """What might revive dead ReLUs that depend on the operations `before` them.

    `behind` are the operations that reach the outputs without them. `single_samples`: are there
    batches of one sample, which some kernels sum up in another order than others?
    """
    ways = [way for operation in before for way in _of_operation(operation)]
    weights = [w for operation in before for w in getattr(operation, "trainable_variables", [])]
    if weights:
        shared = {id(w) for operation in behind for w in getattr(operation, "variables", [])}
        if any(id(weight) in shared for weight in weights):
            ways.append("weights that reach the outputs another way")
        ways += _of_weights(weights) + _of_training(model)
    short = any(getattr(each, "compute_dtype", "float32") != "float32" for each in before)
    if single_samples or short or _on_gpu():
        ways.append("rounding")
    return list(dict.fromkeys(ways))


def _of_operation(operation: Any) -> list[str]:
    if getattr(operation, "activity_regularizer", None) is not None:
        return ["weight decay"]
    if isinstance(operation, keras.layers.BatchNormalization):
        return ["the statistics of another batch"] if operation.trainable else []
    if isinstance(operation, keras.layers.Dropout) and operation.rate == 0:
        return []
    generator = getattr(operation, "seed_generator", None) or getattr(operation, "generator", None)
    if generator is not None:
        return ["another random mask"]
    kind = type(operation)
    plain = kind.__name__ in PLAIN_LAYERS and kind is getattr(keras.layers, kind.__name__, None)
    activation = getattr(operation, "activation", None)
    known = activation is None or getattr(activation, "__module__", "").startswith("keras.")
    return [] if plain and known else [f"the layer {operation.name}, a {kind.__name__}"]


def _of_weights(weights: Sequence[Any]) -> list[str]:
    ways = []
    if any(weight.regularizer is not None for weight in weights):
        ways.append("weight decay")
    if any(weight.constraint is not None for weight in weights):
        ways.append("a constraint on the weights")
    return ways


def _of_training(model: keras.Model) -> list[str]:
    optimizer, ways = model.optimizer, []
    if type(optimizer) is not keras.optimizers.SGD:
        ways.append(f"what {type(optimizer).__name__} remembers of earlier gradients")
    elif optimizer.momentum:
        ways.append("momentum")
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    if optimizer.weight_decay:
        ways.append("weight decay")
    if optimizer.use_ema:
        ways.append("a moving average of the weights")
    if getattr(optimizer, "gradient_accumulation_steps", None):
        ways.append("accumulated gradients")
    own = type(model) not in (keras.Model, keras.Sequential) and not _is_functional(model)
    if own or not _is_kerass_loss(model.loss):
        ways.append("a training step or loss that is not Keras's own")
    return ways


def _is_functional(model: keras.Model) -> bool:
    return type(model).__name__ == "Functional" and type(model).__module__.startswith("keras.")


def _is_kerass_loss(loss: Any) -> bool:
    if isinstance(loss, str):
        return True
    named = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    return str(getattr(named, "__module__", "")).startswith("keras.")


def _on_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
