"""Checks whether a Keras model is dead: whether it can provably, or probably, learn no more.

Two deaths are recognised in any functional model: ReLUs that are zero on every training sample and
together cut the outputs off from the inputs, and a ReLU output through which no gradient flows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fmnist_model.diagnosis.diagnose import Diagnosis, Kind, caveat
from fmnist_model.diagnosis.evidence import Moment
from fmnist_model.diagnosis.keras_internals import compiled_loss
from fmnist_model.diagnosis.relu_graph import ReluGraph
from fmnist_model.diagnosis.revival import LASTING, recovery_paths
from fmnist_model.diagnosis.training_data import Batch, Samples, TrainingData, count_samples

Tensor = Any  # TensorFlow and Keras have no types


class DeadModelCheck:
    """Checks a compiled functional model on its training data, and leaves it as it is.

    Raises ValueError for a model that is not functional.
    """

    def __init__(self, model: keras.Model, data: TrainingData) -> None:
        self._model, self._data = model, data
        self._graph = ReluGraph(model)
        probed = [list(self._graph.relus.values()), self._graph.outputs]
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        self._probe = tf.function(keras.Model(inputs, probed), reduce_retracing=True)

    def diagnose(self, now: Moment) -> Diagnosis | None:
        """What the model died of, if it is dead on all training samples, else None.

        The first batch is checked first, as it nearly always shows that a model is alive. A death
        that is not certain has to be seen once more with dropout and batch statistics as in
        training. None, too, for a model that something might revive for as long as it is trained.
        """
        with self._state_kept():
            found = self._census(self._data.first_batch(), now) and self._confirmed(now)
        return None if found is None or _lasts(found) else found

    def _confirmed(self, now: Moment) -> Diagnosis | None:
        found = self._census(self._data.batches(), now)
        if found is None or found.certain:
            return found
        return found if self._census(self._data.batches(), now, training=True) else None

    def _census(
        self, batches: Iterable[Batch], now: Moment, training: bool = False
    ) -> Diagnosis | None:
        """What the model died of if it is dead on all of these batches, else None."""
        dead = set(self._graph.relus)
        output = _ReluOutput(self._model, self._graph)
        samples = 0
        for x, y in batches:
            relus, outputs = self._probe(x, training=training)
            dead &= self._zero(relus)
            output.add(y, outputs)
            samples += count_samples(x)
            if not self._graph.outputs_are_cut_off_by(dead) and not output.is_dead:
                return None
        if samples == 0:  # a dataset that can be gone through only once
            return None
        if self._graph.outputs_are_cut_off_by(dead):
            return self._dead_layers(dead, samples, now)
        return self._dead_output(output, samples, now)

    def _zero(self, relus: list[Tensor]) -> set[str]:
        """The ReLUs whose outputs are all zero."""
        pairs = zip(self._graph.relus, relus, strict=True)
        return {name for name, values in pairs if not np.any(values.numpy())}

    def _dead_layers(self, dead: set[str], samples: int, now: Moment) -> Diagnosis:
        needed = sorted(self._smallest_cut(dead), key=list(self._graph.relus)[::-1].index)
        paths = self._recovery_paths(needed)
        message = (
            f"dead layer: every unit of {' and '.join(needed)} is zero on each of {samples:,} "
            "training samples, and no path from the inputs to the outputs avoids it; the model "
            "answers the same whatever it is shown, and can only learn which constant is "
            f"best{caveat(paths)}"
        )
        return _diagnosis("dead_layer", message, needed[0], paths, now, samples)

    def _dead_output(self, output: _ReluOutput, samples: int, now: Moment) -> Diagnosis:
        paths = self._recovery_paths([output.name])
        message = (
            f"dead output layer: {output.saturated} of the {output.units} units of {output.name} "
            f"are saturated and the rest zero on each of {samples:,} training samples, so every "
            f"gradient of the loss is exactly zero{caveat(paths)}"
        )
        return _diagnosis("dead_output", message, output.name, paths, now, samples)

    def _smallest_cut(self, dead: set[str]) -> set[str]:
        """Those of the dead ReLUs that are needed to cut the outputs off, the first ones kept."""
        needed = set(dead)
        for name in self._graph.relus:  # from the outputs back
            if self._graph.outputs_are_cut_off_by(needed - {name}):
                needed.discard(name)
        return needed

    def _recovery_paths(self, names: list[str]) -> list[str]:
        before, behind = self._graph.operations_before(names), self._graph.operations_behind(names)
        paths = recovery_paths(self._model, before, behind, self._data.has_single_samples)
        return [*paths, "another draw of the dataset"] if self._data.is_dataset else paths

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Leave weights, moving statistics, random streams and metrics as they are."""
        variables = [*self._model.variables, *self._model.metrics_variables]
        before = [variable.numpy() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)


class _ReluOutput:
    """The one output of a model, where it is a ReLU: is it zero or saturated on every sample?

    Saturated is what cross-entropy clips: 1 - `keras.config.epsilon()` and above. Other losses clip
    nothing.
    """

    def __init__(self, model: keras.Model, graph: ReluGraph) -> None:
        self._model = model
        names = {id(tensor): name for name, tensor in graph.relus.items()}
        single = len(graph.outputs) == 1
        self.name = names.get(id(graph.outputs[0]), "") if single else ""
        self.is_dead = bool(self.name) and _clips(model.loss)
        self._pattern: np.ndarray | None = None
        self.units = self.saturated = 0

    def add(self, y: Samples, outputs: list[Tensor]) -> None:
        """Take another batch into account: its targets, and the model's outputs."""
        if not self.is_dead or y is None:
            self.is_dead = False
            return
        (predicted,) = outputs
        values = predicted.numpy()
        zero = values == 0
        saturated = values >= 1 - keras.config.epsilon()
        first = ~zero[0]
        pattern = first if self._pattern is None else self._pattern
        # The same for every sample: a frozen output that tells samples apart has learned something.
        self.is_dead = (
            self._has_no_gradient(y, predicted, ~zero)
            and bool(np.all(zero | saturated))
            and bool(np.all(~zero == pattern))
        )
        self._pattern, self.units, self.saturated = pattern, first.size, int(first.sum())

    def _has_no_gradient(self, y: Samples, predicted: Tensor, where: np.ndarray) -> bool:
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            loss = compiled_loss(self._model, y, predicted)
        gradient = tape.gradient(loss, predicted)
        return gradient is not None and not np.any(gradient.numpy()[where])


def _clips(loss: Any) -> bool:
    name = loss if isinstance(loss, str) else getattr(loss, "name", "")
    return name in ("sparse_categorical_crossentropy", "categorical_crossentropy")


def _diagnosis(
    kind: Kind, message: str, layer: str, paths: list[str], now: Moment, samples: int
) -> Diagnosis:
    evidence = {"samples": samples, "ways_out": paths, "observed_loss": now.loss}
    return Diagnosis(kind, message, not paths, layer, now.epoch, now.step, evidence)


def _lasts(diagnosis: Diagnosis) -> bool:
    """Might something revive the model for as long as training goes on?"""
    return any(path in LASTING for path in (diagnosis.evidence or {})["ways_out"])
