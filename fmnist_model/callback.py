"""A Keras callback that stops a run once it can be seen that it cannot learn any more.

    model.fit(x, y, epochs=50, callbacks=[StuckRunCallback(x, y)])

It looks for the same deaths as the engine does, in any functional model: ReLUs that are zero on
every training sample and together cut the outputs off from the inputs, and ReLU outputs through
which no gradient of the loss flows. What it finds is `callback.diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fmnist_model.graph import Graph
from fmnist_model.health import Diagnosis, Moment, diverged

FIRST_LOOK = 10
"""Steps before the first look; each next one is after twice as many, and at each epoch's end."""
LOOKS = 2
"""Looks in a row that have to agree on a death that is not certain."""


class StuckRunCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Stops `fit` when the run is stuck, or its loss is not finite.

    `x` and `y` are the training data as `fit` gets them: arrays, structures of arrays, or a
    finite tf.data.Dataset of batches as `x` alone. Without `y`, of a ReLU output only a total
    death is seen. `batch_size` should be that of `fit`. Most looks are at the first batch alone;
    what looks dead there is confirmed on everything. A diagnosis is `certain` only for plain SGD,
    and where nothing before the dead layers is random, depends on the batch, or decays.

    TensorFlow backend. Raises ValueError where the model is not functional or the data endless.
    """

    def __init__(self, x: Any, y: Any = None, batch_size: int = 32) -> None:
        super().__init__()
        if isinstance(x, tf.data.Dataset) and x.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset has no end; take it before .repeat()")
        self._x, self._y, self._batch_size = x, y, batch_size
        self.diagnosis: Diagnosis | None = None

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Read the model's graph."""
        self.diagnosis = None
        self._graph = Graph(self.model)
        watched = [list(self._graph.relus.values()), self._graph.outputs]
        sequential = isinstance(self.model, keras.Sequential)
        inputs = self.model.inputs[0] if sequential else self.model.input
        probe = keras.Model(inputs, watched)
        self._probe = tf.function(probe, reduce_retracing=True)
        self._step, self._next_look, self._agreed = 0, FIRST_LOOK, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Remember the epoch, for the diagnosis."""
        self._epoch, self._step_of_epoch = epoch + 1, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look now and then."""
        self._step += 1
        self._step_of_epoch = batch + 1
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            self._stop(diverged(self._now(loss), "loss", None, None))
        elif self._step >= self._next_look:
            self._next_look *= 2
            self._look(loss)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Look at the end of each epoch."""
        if self.diagnosis is None:
            self._look(float((logs or {}).get("loss", 0.0)))

    def stop(self) -> None:
        """What to do once there is a diagnosis: end `fit` after this step."""
        self.model.stop_training = True

    def _stop(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        self.stop()

    def _now(self, loss: float) -> Moment:
        return Moment(self._epoch, self._step_of_epoch, loss)

    def _look(self, loss: float) -> None:
        with self._state_kept():
            found = self._census(self._batches(most=1), loss) and self._confirmed(loss)
        if not found:
            self._agreed = 0
            return
        self._agreed += 1
        if found.certain or self._agreed >= LOOKS:
            self._stop(found)

    def _confirmed(self, loss: float) -> Diagnosis | None:
        found = self._census(self._batches(), loss)
        if found is None or found.certain:
            return found
        # Random layers at work, and batch statistics: is it dead in training as well?
        return found if self._census(self._batches(), loss, training=True) else None

    def _batches(self, most: int | None = None) -> Iterator[tuple[Any, Any]]:
        """Batches of inputs and targets, `most` of them or all."""
        if isinstance(self._x, tf.data.Dataset):
            for number, batch in enumerate(self._x):
                if most is not None and number >= most:
                    return
                yield batch[:2] if isinstance(batch, tuple) else (batch, None)
            return
        total = len(keras.tree.flatten(self._x)[0])
        for start in range(0, total, self._batch_size):
            if most is not None and start >= most * self._batch_size:
                return
            part = slice(start, start + self._batch_size)
            yield (
                keras.tree.map_structure(lambda array, part=part: array[part], self._x),
                keras.tree.map_structure(lambda array, part=part: array[part], self._y)
                if self._y is not None
                else None,
            )

    def _census(
        self, batches: Iterable[tuple[Any, Any]], loss: float, training: bool = False
    ) -> Diagnosis | None:
        """Is the model dead on all of these batches?"""
        dead = set(self._graph.relus)
        output = _ReluOutput(self.model, self._graph)
        samples = 0
        for x, y in batches:
            relus, outputs = self._probe(x, training=training)
            dead &= {
                name
                for name, values in zip(self._graph.relus, relus, strict=True)
                if not np.any(values.numpy())
            }
            output.add(x, y, outputs)
            samples += len(keras.tree.flatten(x)[0])
            cut_off = self._graph.outputs_are_cut_off_by(dead)
            if not cut_off and not output.is_dead:
                return None
        if self._graph.outputs_are_cut_off_by(dead):
            return self._dead_layers(dead, samples, loss)
        return self._dead_output(output, samples, loss)

    def _dead_layers(self, dead: set[str], samples: int, loss: float) -> Diagnosis:
        needed = sorted(self._smallest_cut(dead), key=list(self._graph.relus)[::-1].index)
        ways_out = self._ways_out(needed)
        names = " and ".join(needed)
        now = self._now(loss)
        message = (
            f"dead layer: every unit of {names} is zero on each of {samples:,} training samples, "
            "and no path from the inputs to the outputs avoids it; the model answers the same "
            f"whatever it is shown, and can only learn which constant is best{_caveat(ways_out)}"
        )
        return self._diagnosis("dead_layer", message, needed[0], ways_out, now, samples)

    def _dead_output(self, output: _ReluOutput, samples: int, loss: float) -> Diagnosis:
        ways_out = self._ways_out([output.name])
        message = (
            f"dead output layer: {output.saturated} of the {output.units} units of {output.name} "
            f"are saturated and the rest zero on each of {samples:,} training samples, so every "
            f"gradient of the loss is exactly zero{_caveat(ways_out)}"
        )
        return self._diagnosis(
            "dead_output", message, output.name, ways_out, self._now(loss), samples
        )

    def _diagnosis(
        self,
        kind: Any,
        message: str,
        layer: str,
        ways_out: list[str],
        now: Moment,
        samples: int,
    ) -> Diagnosis:
        evidence = {"samples": samples, "ways_out": ways_out, "observed_loss": now.loss}
        return Diagnosis(kind, message, not ways_out, layer, now.epoch, now.step, evidence)

    def _smallest_cut(self, dead: set[str]) -> set[str]:
        """Leave out the dead that are not needed to cut the outputs off, last layers first."""
        needed = set(dead)
        for name in self._graph.relus:  # from the outputs back
            if self._graph.outputs_are_cut_off_by(needed - {name}):
                needed.discard(name)
        return needed

    def _ways_out(self, names: list[str]) -> list[str]:
        before = self._graph.operations_before(names)
        ways = []
        if any(_is_random(operation) for operation in before):
            ways.append("another random mask")
        if any(_depends_on_the_batch(operation) for operation in before):
            ways.append("the statistics of another batch")
        if not all(type(operation).__module__.startswith("keras.") for operation in before):
            ways.append("a layer that is not Keras's own")
        if any(getattr(operation, "trainable_variables", None) for operation in before):
            ways += _moved_without_gradient(self.model, before)
        return ways

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Leave moving statistics, random streams and metrics as they are."""
        variables = [*self.model.non_trainable_variables, *self.model.metrics_variables]
        before = [variable.numpy() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


class _ReluOutput:
    """The one output of a model, where it is a ReLU: is it zero or saturated on every sample?"""

    def __init__(self, model: keras.Model, graph: Graph) -> None:
        self._model = model
        last = {id(tensor): name for name, tensor in graph.relus.items()}
        single = len(graph.outputs) == 1
        self.name = last.get(id(graph.outputs[0]), "") if single else ""
        self.is_dead = bool(self.name)
        self._pattern: Any = None
        self.units = self.saturated = 0

    def add(self, x: Any, y: Any, outputs: list[Any]) -> None:
        """Look at another batch; a unit is saturated where it is not zero and has no gradient."""
        if not self.is_dead or y is None:
            self.is_dead = False
            return
        (predicted,) = outputs
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            loss = self._model.compute_loss(x=x, y=y, y_pred=predicted, training=False)
        gradient = tape.gradient(loss, predicted)
        zero = predicted.numpy() == 0
        still = gradient is not None and bool(np.all(zero | (gradient.numpy() == 0)))
        first = ~zero[0]
        pattern = first if self._pattern is None else self._pattern
        # The same for every sample: what is frozen but tells samples apart has learned something.
        self.is_dead = still and bool(np.all(~zero == pattern))
        self._pattern, self.units, self.saturated = pattern, first.size, int(first.sum())


def _is_random(operation: Any) -> bool:
    generator = getattr(operation, "seed_generator", None) or getattr(operation, "generator", None)
    return generator is not None and getattr(operation, "rate", 1) != 0


def _depends_on_the_batch(operation: Any) -> bool:
    return isinstance(operation, keras.layers.BatchNormalization) and operation.trainable


def _moved_without_gradient(model: keras.Model, before: list[Any]) -> list[str]:
    optimizer = model.optimizer
    ways = []
    if any(_constrained(operation) for operation in before):
        ways.append("a constraint on the weights")
    if not isinstance(optimizer, keras.optimizers.SGD):
        ways.append(f"what {type(optimizer).__name__} remembers of earlier gradients")
    elif optimizer.momentum:
        ways.append("momentum")
    if optimizer.weight_decay or any(_regularised(operation) for operation in before):
        ways.append("weight decay")
    if getattr(optimizer, "gradient_accumulation_steps", None):
        ways.append("accumulated gradients")
    return ways


def _constrained(operation: Any) -> bool:
    weights = getattr(operation, "trainable_variables", None) or []
    return any(getattr(weight, "constraint", None) is not None for weight in weights)


def _regularised(operation: Any) -> bool:
    names = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
    return any(getattr(operation, name, None) is not None for name in names)


def _caveat(ways_out: list[str]) -> str:
    return f" (not proved: {' or '.join(ways_out)} might still revive it)" if ways_out else ""
