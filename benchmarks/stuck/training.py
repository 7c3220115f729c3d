"""Trains the benchmark's runs to their end and records what a detector could have seen.

Each run is one line of JSON. Gradients are taken as AUTOTRAINER takes them: of the loss on one
fixed batch, the first thousand images, without dropout, at the end of each epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stuck.sampling import Run
from fmnist_model.dataset.fashion_mnist import Images, split
from fmnist_model.tensorflow_engine.engine import TensorFlowEngine
from fmnist_model.tensorflow_engine.program import TrainingProgram
from fmnist_model.training.inspection import CHUNK
from fmnist_model.training.run_counts import EpochMetrics


def train_all(
    runs: list[Run], images: Images, results: Path, on_run: Callable[[int], None]
) -> None:
    """Train the runs that are not in `results` yet; `on_run` is told how many runs are done."""
    results.parent.mkdir(parents=True, exist_ok=True)
    _drop_half_a_line(results)
    done = {json.loads(line)["key"] for line in results.read_text().splitlines()}
    engines: dict[int, TensorFlowEngine] = {}
    for run in runs:
        if run.key not in done:
            if run.images not in engines:
                engines = {run.images: TensorFlowEngine(*split(images, run.images))}
            line = json.dumps(train_one(run, engines[run.images]))
            with results.open("a") as file:
                file.write(line + "\n")
            done.add(run.key)
        on_run(len(done))


def _drop_half_a_line(results: Path) -> None:
    """Remove the incomplete last line that a run leaves if it is killed while it writes."""
    results.touch()
    text = results.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        results.write_text(whole)


def train_one(run: Run, engine: TensorFlowEngine) -> dict[str, Any]:
    """Train one run to its last epoch, unless it diverges; return its record."""
    gradients: list[dict[str, list[float]]] = []
    images = np.arange(min(CHUNK, run.images))

    def report(_metrics: EpochMetrics) -> bool:
        assert engine.last is not None
        gradients.append(gradient_figures(engine.last, images))
        return False

    started = time.perf_counter()
    result = engine.run(run.model, run.train, report)
    return {
        "key": run.key,
        "stop_reason": result.stop_reason,
        "kind": result.diagnosis.kind,
        "layer": result.diagnosis.layer,
        "certain": result.diagnosis.certain,
        "message": result.diagnosis.message,
        "onset": [result.diagnosis.epoch, result.diagnosis.step],
        "explained_loss": result.diagnosis.explained_loss,
        "observed_loss": (result.diagnosis.evidence or {}).get("observed_loss"),
        "curves": result.curves(),
        "looks": [check.to_dict() for check in result.checks],
        "recorded": asdict(result.recorded) if result.recorded is not None else None,
        "dead_fraction": result.dead_fraction,
        "steps": result.steps_run,
        "seconds": round(time.perf_counter() - started, 2),
        "gradients": gradients,
        "precision": result.precision,
        "device": result.device,
    }


def gradient_figures(program: TrainingProgram, images: np.ndarray) -> dict[str, list[float]]:
    """Of each variable's gradient: share of exact zeros, mean absolute value, L2 norm, size."""
    gradients = [g.astype(np.float64) for g in program.gradients(images)]
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "zero": [float(np.mean(g == 0)) for g in gradients],
            "mean_abs": [float(np.mean(np.abs(g))) for g in gradients],
            "norm": [float(np.linalg.norm(g)) for g in gradients],
            "size": [g.size for g in gradients],
        }
