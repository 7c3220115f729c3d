"""Stochastic gradient descent whose settings are variables, so that trials share one program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

Tensor = Any  # TensorFlow and Keras have no types
Variable = Any


class SGD:
    """Descent with momentum, and weight decay of kernels, as Keras's SGD does it."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = variables
        self.velocity = [tf.Variable(tf.zeros_like(v.value)) for v in variables]
        self._momentum = tf.Variable(0.0)
        self._weight_decay = tf.Variable(0.0)

    def begin(self, weight_decay: Tensor, momentum: Tensor) -> None:
        """Begin anew with these settings and without velocity."""
        for velocity in self.velocity:
            velocity.assign(tf.zeros_like(velocity))
        self._weight_decay.assign(weight_decay)
        self._momentum.assign(momentum)

    def update(self, gradients: list[Tensor], rate: Tensor, finite: Tensor) -> None:
        """Make a step at this learning rate; the weights stay as they are where not `finite`."""
        # Weights are selected, not guarded by a condition: TensorFlow would move gradients into its
        # branch, apart from the others, and then sum those of biases in a slow kernel of its own.
        shrunk = 1 - rate * self._weight_decay
        for variable, velocity, gradient in zip(
            self._variables, self.velocity, gradients, strict=True
        ):
            velocity.assign(self._momentum * velocity + gradient)
            kept = shrunk * variable if variable.name == "kernel" else variable
            variable.assign(tf.where(finite, kept - rate * velocity, variable))

    @contextmanager
    def after_momentum(self, rate: float) -> Iterator[None]:
        """A context in which the weights are where their velocity carries them at this learning
        rate if there is no gradient any more."""
        weights = [tf.identity(variable.value) for variable in self._variables]
        way = rate * self._momentum / (1 - self._momentum)
        for variable, velocity in zip(self._variables, self.velocity, strict=True):
            variable.assign(variable - way * velocity)
        try:
            yield
        finally:
            for variable, weight in zip(self._variables, weights, strict=True):
                variable.assign(weight)
