"""The benchmark of the population: what it keeps, when it stops growing, what it says of goals."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from functools import partial

import pytest
from rich.console import Console

from benchmarks import population
from benchmarks.tools.isolated import Isolated
from benchmarks.tools.slot_parts import Setting
from fmnist_model.jax_engine import backend
from tests.conftest import ROOT

SETTINGS = {"device": "GPU (some)", "images": 48_000, "trials": 50}


def new_record(path):
    return population.Record(path / "rows.json", SETTINGS, lambda line: None)


def speed(slots, convolution, images):
    what = {"what": "speed", "slots": slots, "convolution": convolution}
    return what | {"images_per_second": [images]}


def search(slots, seed, seconds):
    ended = dict.fromkeys(population.ENDINGS, 10)
    figures = {"seconds": seconds, "trials_per_second": 50 / seconds, "host_seconds": 1.0}
    return {"what": "search", "slots": slots, "seed": seed, "epochs": 100} | figures | ended


def limits(device):
    rates = {"matrix_flops_per_second": [1e14], "copied_bytes_per_second": [1e12]}
    return {"what": "limits", "device": device, "precision": "bfloat16"} | rates


def shown(rows, images=48_000, trials=50):
    console = Console(file=io.StringIO(), width=200)
    population.show(console, rows, Setting(images, trials, None))
    return console.file.getvalue()


def test_what_was_measured_is_kept_and_a_process_that_dies_is_told_of(tmp_path):
    with Isolated() as process:
        record = new_record(tmp_path)
        dead = record.get("search", partial(process.call, os._exit, 1), slots=8, seed=0)
    assert "was killed" in dead["error"]
    again = new_record(tmp_path)
    assert again.get("search", lambda: pytest.fail("measured again"), slots=8, seed=0) == dead
    assert again.get("search", lambda: {"seconds": 1.0}, slots=8, seed=1)["seconds"] == 1.0
    assert len(new_record(tmp_path).rows) == 2


def test_more_slots_are_not_tried_where_fewer_did_not_fit(tmp_path):
    """Nor a way of convolving that was far slower than the other one."""
    record = new_record(tmp_path)
    record.rows += [speed(1, "grouped", 10.0), speed(1, "matrix", 100.0), search(1, 0, 9.0)]
    full = {"error": "RESOURCE_EXHAUSTED: Out of memory"}
    record.rows += [{"what": "speed", "slots": 2, "convolution": "matrix"} | full]
    population.grow(record, Setting(48_000, 50, None), [1, 2, 4], repeats=1)
    assert len(record.rows) == 4
    assert "speed 2 matrix: RESOURCE_EXHAUSTED" in shown([limits("GPU (some)"), *record.rows])


def test_goals_stand_beside_what_was_measured():
    rows = [limits("GPU (some)"), speed(1, "matrix", 1e4), speed(8, "matrix", 8e4)]
    rows += [search(1, seed, 100.0) for seed in range(3)]
    rows += [search(8, seed, seconds) for seed, seconds in enumerate((9.0, 10.0, 11.0))]
    rows += [{"what": "fresh", "compile_seconds": [8.0]}]
    text = shown(rows)
    assert "11.11 10.00 9.09 times those of one slot with 8 slots (n = 3), reached" in text
    assert "9.0 10.0 11.0 s with 8 slots (n = 3), reached" in text
    assert "0.100 trials/s, computed; 8 slots have 50.0 times as many" in text
    assert "MISSED" in shown([*rows[:6], search(8, 0, 70.0)])
    assert "not judged on a CPU" in shown([limits("CPU (some)"), *rows[1:]])
    assert "judged with 48,000 images and 50 trials only" in shown(rows, images=400)


@pytest.mark.skipif(not backend.jax_is_installed(), reason="the extra jax is not installed")
def test_it_needs_no_tensorflow():
    """A machine with a GPU may have JAX alone."""
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from benchmarks import convolutions, population; from benchmarks.tools import slot_parts\n"
        "assert slot_parts.device()\n"
        "import fmnist_model.jax_engine.engine"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)
