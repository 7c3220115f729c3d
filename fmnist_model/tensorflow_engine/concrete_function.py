"""A function that TensorFlow has compiled, called without the overhead of TensorFlow's wrapper."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import tensorflow as tf

Tensor = Any  # TensorFlow has no types


class ConcreteFunction:
    """A function on the device, traced when it is first called, for tensors of this signature.

    What `tf.function` returns examines its arguments anew at each call, which takes twice as long
    as the call itself. `loops` says whether the function has Python loops over tensors. `traced`
    is what `tf.function` returned.
    """

    def __init__(
        self, function: Callable[..., Any], signature: list[tf.TensorSpec], loops: bool = False
    ) -> None:
        self.traced = tf.function(function, input_signature=signature, autograph=loops)

    @cached_property
    def _concrete(self) -> Any:
        return self.traced.get_concrete_function()

    def __call__(self, *tensors: Tensor) -> Any:
        return self._concrete(*tensors)
