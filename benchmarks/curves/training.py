"""Trains the runs that the table does not have yet, each to its last epoch."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.curves.table import VALIDATION, Run, Scale
from benchmarks.tools.record import append_line, whole_lines
from fmnist_model.dataset.fashion_mnist import Images, split
from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.training.run_counts import EpochMetrics
from fmnist_model.utils.errors import UserError


def train_all(
    runs: list[Run], images: Images, scale: Scale, path: Path, on_run: Callable[[int], None]
) -> None:
    """Train the runs that are not in `path` yet; `on_run` is told how many runs are done."""
    done = {record["key"]: record for record in map(json.loads, whole_lines(path))}
    engine: TensorFlowEngine | None = None
    traced: set[str] = set()
    for number, run in enumerate(runs, 1):
        if run.key not in done:
            if engine is None:
                train, _ = split(images, scale.images)
                _, validation = split(images, 4 * VALIDATION)
                engine = TensorFlowEngine(train, validation)
            append_line(path, {**_trained(run, engine, traced), "images": scale.images})
        elif done[run.key]["params"] != run.params:
            raise UserError(
                f"{path}: {run.key} was trained with {done[run.key]['params']}, not with "
                f"{run.params}: the preset has changed since; give another file with --results"
            )
        on_run(number)


def _trained(run: Run, engine: TensorFlowEngine, traced: set[str]) -> dict[str, Any]:
    network = run.model.model_copy(update={"dropout": 0.0}).model_dump_json()
    if network not in traced:  # tracing is no part of an epoch
        engine.run(run.model, run.train.model_copy(update={"epochs": 1}))
        traced.add(network)
    ends = [time.perf_counter()]

    def report(_metrics: EpochMetrics) -> bool:
        ends.append(time.perf_counter())
        return False

    result = engine.run(run.model, run.train, report)
    return {
        "key": run.key,
        "params": run.params,
        "stop_reason": result.stop_reason,
        "kind": result.diagnosis.kind,
        "layer": result.diagnosis.layer,
        "certain": result.diagnosis.certain,
        "recorded": asdict(result.recorded) if result.recorded is not None else None,
        "look_seconds": [round(check.seconds, 3) for check in result.checks],
        "curves": {
            name: [round(v, 6) if v is not None else None for v in values]
            for name, values in result.curves().items()
        },
        "epoch_seconds": [round(b - a, 3) for a, b in itertools.pairwise(ends)],
        "epochs": run.train.epochs,
        "steps": result.steps_run,
        "batch_size": run.train.batch_size,
        "seed": run.train.seed,
        "precision": result.precision,
        "device": result.device,
    }
