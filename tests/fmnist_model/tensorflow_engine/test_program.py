"""A program examines its network without changing it, and sees exactly what training sees."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fmnist_model.small_images import BASE, SHORT, changed, same


def test_a_census_leaves_the_run_as_it_was(engine):
    program = engine.program(BASE, "float32")
    program.reset(SHORT, dropout=0.25)
    before = [variable.numpy() for variable in program.variables]
    stream = program.trainable.dropout.seed_generator.state.numpy()
    assert program.census().layers.keys() == {"conv1", "conv2", "dense1"}
    assert same(before, [variable.numpy() for variable in program.variables])
    np.testing.assert_array_equal(stream, program.trainable.dropout.seed_generator.state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_census_sees_to_the_last_bit_what_training_sees(few, engine, precision):
    """On a CPU, in chunks of any size: what is dead in the census is dead in every batch."""
    import tensorflow as tf

    program = engine.program(changed(BASE, dropout=0.0), precision)
    program.reset(changed(SHORT, precision=precision), dropout=0.0)
    pixels = tf.constant(few[0].pixels[:600])

    @tf.function
    def in_training(batch):
        labels = tf.zeros(len(batch), tf.int32)
        return program.trainable.backward(batch, labels, training=True).logits

    seen = program.trainable.pre_activations(pixels)[-1].numpy()
    scored = tf.function(program.trainable.logits)(pixels)
    for size in (32, 100, 600):
        batches = [in_training(pixels[i : i + size]) for i in range(0, 600 - size + 1, size)]
        trained = tf.concat(batches, axis=0).numpy()
        np.testing.assert_array_equal(trained, scored[: len(trained)])
    np.testing.assert_allclose(seen, trained[: len(seen)], rtol=0.05, atol=0.01)


def test_gradients_are_those_of_the_chosen_images(engine):
    program = engine.program(changed(BASE, dropout=0.0), "float32")
    program.reset(SHORT, dropout=0.0)
    first, second, both = map(
        program.gradients, (np.arange(50), np.arange(50, 100), np.arange(100))
    )
    for one, other, mean in zip(first, second, both, strict=True):
        np.testing.assert_allclose((one + other) / 2, mean, atol=1e-6)
        assert not np.array_equal(one, other)


def test_each_epoch_and_seed_shows_all_images_in_another_order(engine):
    program = engine.program(BASE, "float32")
    orders = []
    for epoch, seed in ((1, 7), (2, 7), (1, 8), (1, 7)):
        program.show(epoch, changed(SHORT, seed=seed))
        orders.append(program._shown.labels.numpy())
    assert np.array_equal(orders[0], orders[3])
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert all(np.array_equal(np.sort(order), np.sort(orders[0])) for order in orders)


def test_a_snapshot_is_restored_whatever_the_program_has_done_since(engine):
    train = changed(SHORT, momentum=0.9, precision="float32")
    engine.run(BASE, train)
    program = engine.last
    kept = program.snapshot()
    assert kept.stream[1] == 40  # a mask for each step
    assert any(np.any(velocity) for velocity in kept.velocity)
    program.reset(train, dropout=0.25)
    assert not same(program.snapshot().weights, kept.weights)
    program.restore(kept)
    again = program.snapshot()
    assert same(again.weights, kept.weights)
    assert same(again.velocity, kept.velocity)
    assert np.array_equal(again.stream, kept.stream)
