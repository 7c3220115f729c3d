"""The benchmark of scale: large studies are like others, rows are kept, waiting is told."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from benchmarks.scale import Kept, saturation, shares
from benchmarks.standins.grown import completed, fill
from benchmarks.standins.stored import PRESET
from search.presets.files import load_preset
from search.storage.connection import open_storage
from tests.conftest import PATHS, ROOT
from tests.search.conftest import load


@pytest.fixture
def preset(project):
    (project / "studies/replay.toml").write_text(PRESET)
    return load_preset("replay", PATHS.presets)


def test_a_study_filled_at_once_is_as_one_filled_trial_by_trial(preset, url):
    trials = [completed(number, preset) for number in range(30)]
    storage = open_storage(url)
    for name in ("before", "one", "all"):
        optuna.create_study(storage=storage, study_name=name, direction="maximize")
    optuna.load_study(study_name="before", storage=storage).ask()
    optuna.load_study(study_name="one", storage=storage).add_trials(trials)
    fill(optuna.load_study(study_name="all", storage=storage), trials)
    for one, other in zip(load("one", url).trials, load("all", url).trials, strict=True):
        differing = {key for key in vars(one) if vars(one)[key] != vars(other)[key]}
        assert differing <= {"_trial_id"}
    more = optuna.load_study(study_name="all", storage=storage)
    assert more.ask().number == 30


def test_workers_are_shared_out():
    for workers in (1, 2, 7, 33, 256):
        assert sum(shares(workers)) == workers
        assert max(shares(workers)) <= 32
        assert max(shares(workers)) - min(shares(workers)) <= 1


def test_what_is_kept_is_not_measured_again(tmp_path):
    kept = Kept(tmp_path / "rows.jsonl")
    assert kept.row({"workers": 1}, lambda: {"figure": 5})["figure"] == 5
    again = Kept(tmp_path / "rows.jsonl")
    assert again.row({"workers": 1}, lambda: pytest.fail("measured again"))["figure"] == 5
    assert again.row({"workers": 2}, lambda: {"figure": 6})["figure"] == 6
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 2


def spec(workers: int, training: float, trials_per_second: float) -> dict[str, float]:
    row = {"workers": workers, "training": training, "trials_per_second": trials_per_second}
    return row | {"trial_seconds": 4.0}


def test_saturation_is_where_more_workers_only_wait():
    few = [spec(1, 0.8, 0.2), spec(4, 0.7, 0.7)]
    assert saturation(few) == "not saturated by 4 workers of 4.0 s a trial"
    assert saturation([*few, spec(16, 0.5, 2.0), spec(64, 0.1, 1.6)]) == (
        "saturated at 2.00 trials/s: what 10 workers of 4.0 s a trial would do that never waited "
        "for each other"
    )


@pytest.mark.slow
def test_the_command(preset, command, monkeypatch):
    """With two workers for a few seconds each, real databases, and all tables."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    small = ["--workers", "2", "--grow", "20", "--ask", "20", "--samplers", "tpe,random"]
    files = ["--results", "rows.jsonl", "--budget", "6"]
    done = command("benchmarks.scale", "--storage", "sqlite", *small, *files)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    crews, *sizes = rows
    assert crews["gave_up"] == []
    assert 0 < crews["training"] <= 1
    assert crews["trials_per_second"] * crews["trial_seconds"] == pytest.approx(
        2 * crews["training"]
    )
    assert [(row["database"], row["sampler"]) for row in sizes] == [
        ("sqlite", "tpe"),
        ("sqlite", "random"),
        ("memory", "tpe"),
        ("memory", "random"),
    ]
    again = command("benchmarks.scale", "--storage", "sqlite", *small, *files)
    assert again.stdout == done.stdout
