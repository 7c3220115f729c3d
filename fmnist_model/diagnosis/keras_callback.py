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

from fmnist_model.diagnosis.diagnose import Diagnosis, Moment, caveat, diverged
from fmnist_model.diagnosis.relu_graph import ReluGraph
from fmnist_model.diagnosis.revival import LASTING, recovery_paths

FIRST_LOOK = 10
"""Steps before the first look; each next one is after twice as many, and at each epoch's end."""
EPOCHS = 2
"""Epochs in a row at whose end a death that is not certain has to be seen before `fit` is ended."""


class StuckRunCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Stops `fit` when the run is stuck, or its loss is not finite.

    `x` and `y` are the training data as `fit` gets them: arrays, structures of arrays, or a
    finite tf.data.Dataset of batches as `x` alone. Without `y`, of a ReLU output only a total
    death is seen. `batch_size` should be that of `fit`. Most looks are at the first batch alone;
    what looks dead there is confirmed on everything. A diagnosis is `certain` only for plain SGD
    on arrays, and where nothing before the dead layers is random, depends on the batch, decays or
    is unknown (`fmnist_model.diagnosis.revival`). What is not certain has to be dead at two epochs'
    ends in a row, and what weight decay, constraints or averaged weights might revive is never
    stopped.

    A look goes through a dataset once more, which a shuffled one notices: its later orders differ.
    TensorFlow backend. Raises ValueError where the model is not functional or the data endless.
    """

    def __init__(self, x: Any, y: Any = None, batch_size: int = 32) -> None:
        super().__init__()
        _check_data(x)
        self._x, self._y, self._batch_size = x, y, batch_size
        self.diagnosis: Diagnosis | None = None

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Read the model's graph."""
        self.diagnosis = None
        self._graph = ReluGraph(self.model)
        watched = [list(self._graph.relus.values()), self._graph.outputs]
        sequential = isinstance(self.model, keras.Sequential)
        inputs = self.model.inputs[0] if sequential else self.model.input
        probe = keras.Model(inputs, watched)
        self._probe = tf.function(probe, reduce_retracing=True)
        self._step, self._next_look, self._dead_epochs = 0, FIRST_LOOK, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Remember the epoch, for the diagnosis."""
        self._epoch, self._step_of_epoch = epoch + 1, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look now and then."""
        self._step += 1
        self._step_of_epoch = batch + 1
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss) and not self._loss_is_scaled():
            self._stop(diverged(self._now(loss), "loss", None, None))
        elif self._step >= self._next_look:
            self._next_look *= 2
            found = self._look(loss)
            if found is not None and found.certain:
                self._stop(found)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Look at the end of each epoch."""
        if self.diagnosis is not None:
            return
        found = self._look(float((logs or {}).get("loss", 0.0)))
        self._dead_epochs = self._dead_epochs + 1 if found is not None else 0
        if found is not None and (found.certain or self._dead_epochs >= EPOCHS):
            self._stop(found)

    def _loss_is_scaled(self) -> bool:
        """Steps whose loss overflows are then left out by Keras, and training goes on."""
        return isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)

    def stop(self) -> None:
        """What to do once there is a diagnosis: end `fit` after this step."""
        self.model.stop_training = True

    def _stop(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis
        self.stop()

    def _now(self, loss: float) -> Moment:
        return Moment(self._epoch, self._step_of_epoch, loss)

    def _look(self, loss: float) -> Diagnosis | None:
        with self._state_kept():
            found = self._census(self._batches(most=1), loss) and self._confirmed(loss)
        lasting = found is not None and any(
            way in LASTING for way in (found.evidence or {})["ways_out"]
        )
        return None if lasting else found

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
                yield (*batch, None)[:2] if isinstance(batch, tuple) else (batch, None)
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
            output.add(y, outputs)
            samples += len(keras.tree.flatten(x)[0])
            cut_off = self._graph.outputs_are_cut_off_by(dead)
            if not cut_off and not output.is_dead:
                return None
        if samples == 0:  # a dataset that can be gone through only once
            return None
        if self._graph.outputs_are_cut_off_by(dead):
            return self._dead_layers(dead, samples, loss)
        return self._dead_output(output, samples, loss)

    def _dead_layers(self, dead: set[str], samples: int, loss: float) -> Diagnosis:
        needed = sorted(self._smallest_cut(dead), key=list(self._graph.relus)[::-1].index)
        paths = self._recovery_paths(needed)
        names = " and ".join(needed)
        now = self._now(loss)
        message = (
            f"dead layer: every unit of {names} is zero on each of {samples:,} training samples, "
            "and no path from the inputs to the outputs avoids it; the model answers the same "
            f"whatever it is shown, and can only learn which constant is best{caveat(paths)}"
        )
        return self._diagnosis("dead_layer", message, needed[0], paths, now, samples)

    def _dead_output(self, output: _ReluOutput, samples: int, loss: float) -> Diagnosis:
        paths = self._recovery_paths([output.name])
        message = (
            f"dead output layer: {output.saturated} of the {output.units} units of {output.name} "
            f"are saturated and the rest zero on each of {samples:,} training samples, so every "
            f"gradient of the loss is exactly zero{caveat(paths)}"
        )
        return self._diagnosis("dead_output", message, output.name, paths, self._now(loss), samples)

    def _diagnosis(
        self,
        kind: Any,
        message: str,
        layer: str,
        paths: list[str],
        now: Moment,
        samples: int,
    ) -> Diagnosis:
        evidence = {"samples": samples, "ways_out": paths, "observed_loss": now.loss}
        return Diagnosis(kind, message, not paths, layer, now.epoch, now.step, evidence)

    def _smallest_cut(self, dead: set[str]) -> set[str]:
        """Leave out the dead that are not needed to cut the outputs off, last layers first."""
        needed = set(dead)
        for name in self._graph.relus:  # from the outputs back
            if self._graph.outputs_are_cut_off_by(needed - {name}):
                needed.discard(name)
        return needed

    def _recovery_paths(self, names: list[str]) -> list[str]:
        before, behind = self._graph.operations_before(names), self._graph.operations_behind(names)
        ways = recovery_paths(self.model, before, behind, self._has_single_samples())
        return [*ways, "another draw of the dataset"] if self._is_dataset() else ways

    def _is_dataset(self) -> bool:
        return isinstance(self._x, tf.data.Dataset)

    def _has_single_samples(self) -> bool:
        if self._is_dataset():
            return False
        return self._batch_size == 1 or len(keras.tree.flatten(self._x)[0]) % self._batch_size == 1

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Leave weights, moving statistics, random streams and metrics as they are."""
        variables = [*self.model.variables, *self.model.metrics_variables]
        before = [variable.numpy() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


class _ReluOutput:
    """The one output of a model, where it is a ReLU: is it zero or saturated on every sample?

    Saturated is what cross-entropy clips, as far as 1 - 1e-7 and beyond; other losses clip nothing.
    """

    def __init__(self, model: keras.Model, graph: ReluGraph) -> None:
        self._model = model
        last = {id(tensor): name for name, tensor in graph.relus.items()}
        single = len(graph.outputs) == 1
        self.name = last.get(id(graph.outputs[0]), "") if single else ""
        self.is_dead = bool(self.name) and _clips(model.loss)
        self._pattern: Any = None
        self.units = self.saturated = 0

    def add(self, y: Any, outputs: list[Any]) -> None:
        """Look at another batch."""
        if not self.is_dead or y is None:
            self.is_dead = False
            return
        (predicted,) = outputs
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            # Not compute_loss, which would add what layers lost in another graph.
            loss = self._model._compile_loss(y, predicted)
        gradient = tape.gradient(loss, predicted)
        zero = predicted.numpy() == 0
        saturated = predicted.numpy() >= 1 - keras.config.epsilon()
        still = gradient is not None and not np.any(gradient.numpy()[~zero])
        still = still and bool(np.all(zero | saturated))
        first = ~zero[0]
        pattern = first if self._pattern is None else self._pattern
        # The same for every sample: what is frozen but tells samples apart has learned something.
        self.is_dead = still and bool(np.all(~zero == pattern))
        self._pattern, self.units, self.saturated = pattern, first.size, int(first.sum())


def _clips(loss: Any) -> bool:
    name = loss if isinstance(loss, str) else getattr(loss, "name", "")
    return name in ("sparse_categorical_crossentropy", "categorical_crossentropy")


def _check_data(x: Any) -> None:
    """Raise ValueError for data that cannot be gone through again and again."""
    if isinstance(x, tf.data.Dataset):
        if x.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset has no end; take it before .repeat()")
    elif not all(hasattr(part, "shape") for part in keras.tree.flatten(x)):
        raise ValueError(
            f"x is {type(x).__name__}, which is neither arrays nor a tf.data.Dataset; "
            "give the training data as one of these"
        )
