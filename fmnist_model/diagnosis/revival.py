"""What might revive a dead layer of a Keras model: what else moves its weights, or its inputs.

The answer is a list of recovery paths, which is empty where plain SGD provably changes nothing any
more. What is not known to be harmless counts as a recovery path, for a proof that is missed costs
little, while a wrong one ends a run that might have learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from fmnist_model.diagnosis.keras_internals import is_functional, is_kerass_own

Operation = Any  # Keras has no types
Variable = Any

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
"""Recovery paths that go on for as long as training does: a run with one of them is never
stopped."""


def recovery_paths(
    model: keras.Model,
    before: Sequence[Operation],
    behind: Sequence[Operation],
    single_samples: bool,
) -> list[str]:
    """What might revive dead ReLUs that depend on the operations `before` them.

    `behind` are the operations that reach the outputs without them. `single_samples` says whether
    there are batches of one sample, which some kernels sum up in another order than others.
    """
    paths = [path for operation in before for path in _of_operation(operation)]
    weights = [w for operation in before for w in getattr(operation, "trainable_variables", [])]
    if weights:
        shared = {id(w) for operation in behind for w in getattr(operation, "variables", [])}
        if any(id(weight) in shared for weight in weights):
            paths.append("weights that reach the outputs another way")
        paths += _of_weights(weights) + _of_training(model)
    short = any(getattr(each, "compute_dtype", "float32") != "float32" for each in before)
    if single_samples or short or _on_gpu():
        paths.append("rounding")
    return list(dict.fromkeys(paths))


def _of_operation(operation: Operation) -> list[str]:
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
    known = activation is None or is_kerass_own(activation)
    return [] if plain and known else [f"the layer {operation.name}, a {kind.__name__}"]


def _of_weights(weights: Sequence[Variable]) -> list[str]:
    paths = []
    if any(weight.regularizer is not None for weight in weights):
        paths.append("weight decay")
    if any(weight.constraint is not None for weight in weights):
        paths.append("a constraint on the weights")
    return paths


def _of_training(model: keras.Model) -> list[str]:
    paths = _of_optimizer(model.optimizer)
    own = type(model) not in (keras.Model, keras.Sequential) and not is_functional(model)
    if own or not _is_kerass_loss(model.loss):
        paths.append("a training step or loss that is not Keras's own")
    return paths


def _of_optimizer(optimizer: Any) -> list[str]:
    paths = []
    if type(optimizer) is not keras.optimizers.SGD:
        paths.append(f"what {type(optimizer).__name__} remembers of earlier gradients")
    elif optimizer.momentum:
        paths.append("momentum")
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    if optimizer.weight_decay:
        paths.append("weight decay")
    if optimizer.use_ema:
        paths.append("a moving average of the weights")
    if getattr(optimizer, "gradient_accumulation_steps", None):
        paths.append("accumulated gradients")
    return paths


def _is_kerass_loss(loss: Any) -> bool:
    if isinstance(loss, str):
        return True
    return is_kerass_own(type(loss) if isinstance(loss, keras.losses.Loss) else loss)


def _on_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
