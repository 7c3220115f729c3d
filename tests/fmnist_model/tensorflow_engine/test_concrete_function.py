"""A function is traced once for its signature, at its first call."""

from __future__ import annotations

import tensorflow as tf

from fmnist_model.tensorflow_engine.concrete_function import ConcreteFunction


def test_it_is_traced_at_the_first_call_and_never_again():
    traces = []
    function = ConcreteFunction(
        lambda x: traces.append(x) or 2 * x, [tf.TensorSpec((None,), tf.float32)]
    )
    assert traces == []
    assert function(tf.constant([1.0])).numpy().tolist() == [2.0]
    assert function(tf.constant([1.0, 3.0])).numpy().tolist() == [2.0, 6.0]
    assert len(traces) == 1


def doubled_until_100(x: tf.Tensor) -> tf.Tensor:
    while x < 100:
        x = 2 * x
    return x


def test_python_loops_over_tensors_are_compiled_if_wanted():
    function = ConcreteFunction(doubled_until_100, [tf.TensorSpec((), tf.int32)], loops=True)
    assert int(function(tf.constant(3))) == 192
