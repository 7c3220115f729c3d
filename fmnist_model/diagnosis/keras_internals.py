"""What the diagnosis needs of Keras's private names. No other module of the package uses them.

Written against Keras 3.15. Each function says what it relies on, so that a release which changes
that breaks here and in this module's tests, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import keras

Tensor = Any  # Keras has no types
Operation = Any


def operation_of(tensor: Tensor) -> Operation:
    """The operation, mostly a layer, that a symbolic tensor is an output of.

    Relies on `KerasTensor._keras_history.operation`.
    """
    return tensor._keras_history.operation


def call_number(tensor: Tensor) -> int:
    """Which of the calls of its operation a symbolic tensor comes from, from 0.

    Relies on `KerasTensor._keras_history.node_index`.
    """
    return int(tensor._keras_history.node_index)


def inputs_of(tensor: Tensor) -> list[Tensor]:
    """The symbolic tensors that the call took which a symbolic tensor comes from.

    Relies on `Operation._inbound_nodes`, a list with a node for each call, and on
    `Node.input_tensors`.
    """
    return list(operation_of(tensor)._inbound_nodes[call_number(tensor)].input_tensors)


def compiled_loss(model: keras.Model, y: Tensor, predicted: Tensor) -> Tensor:
    """The loss that `model.compile` was given, of these targets and outputs, shape ().

    Relies on `Model._compile_loss(y, y_pred)`. The public `compute_loss` adds the losses that
    layers have noted in the call before, which may be tensors of another graph.
    """
    return model._compile_loss(y, predicted)


def is_functional(model: keras.Model) -> bool:
    """Was the model made by `keras.Model(inputs, outputs)`, and is of no class of a user's own?

    Relies on the class of such models: `Functional`, in a module of Keras's.
    """
    return type(model).__name__ == "Functional" and is_kerass_own(type(model))


def is_kerass_own(thing: Any) -> bool:
    """Does Keras define this class or function?

    Relies on where its modules are: in the package `keras`, below `keras.src`.
    """
    return str(getattr(thing, "__module__", "")).startswith("keras.")
