"""How trials of a real search end, and what is recorded of each."""

from __future__ import annotations

import contextlib
import tomllib

import optuna
import pytest

from search.execution.job import SearchStoppedError
from search.study.best_config import export
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials, ending
from search.study.winner import winner_of
from tests.conftest import PATHS
from tests.search.conftest import URL, load, quiet_progress, search, write_preset


def test_a_trial_has_all_its_attributes(tiny):
    trial = search(1).trials[0]
    attributes = trial.user_attrs
    assert attributes["stop_reason"] == "completed"
    assert len(attributes["history"]["val_accuracy"]) == attributes["epochs_run"] == 3
    assert attributes["history"]["val_accuracy"][-1] == trial.value
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert attributes["steps_run"] == 30
    assert attributes["diagnosis"]["kind"] in ("healthy", "slow")
    assert attributes["engine"] == "tensorflow"
    assert attributes["precision"] in ("float32", "bfloat16")
    for name in ("train_seconds", "images_per_second", "device", "seed"):
        assert attributes[name]


@pytest.mark.slow
def test_a_run_in_full_has_the_latency_of_its_network(project):
    """Real trainings of several networks, each of which is compiled: slow."""
    write_preset(
        more="dense_units = [8, 64, 4096]\n[search]\nbudgets = [1, 3]\ngeneration = 4\n"
        '[objective]\nminimize = ["latency_ms"]\nconstraints = ["parameters <= 200000"]\n'
    )
    path = project / "studies/tiny.toml"
    path.write_text(path.read_text().replace("dense_units = 16\n", "", 1))
    study = search(10)
    records = [TrialRecord.of(trial) for trial in study.trials]
    in_full = [record for record in records if record.budget == 3]
    assert in_full
    assert all(record.latency_ms and record.device for record in in_full)
    assert {record.latency_ms for record in records if record.budget == 1} == {None}
    assert max(record.parameters for record in records) <= 200_000
    best = winner_of(study)
    assert best.standing.measured["latency_ms"] > 0
    assert best.front
    written = tomllib.loads(export(study, URL, PATHS.results).read_text())
    assert written["provenance"]["measured"] == best.standing.measured


def test_a_stuck_trial_can_continue_and_is_recorded(project):
    write_preset(
        more='activation = ["relu"]\noutput_activation = ["relu"]\n'
        '[[arms]]\nname = "stuck"\n'
        'params = { activation = "relu", learning_rate = 0.4, dropout = 0 }'
    )
    path = project / "studies/tiny.toml"
    path.write_text(path.read_text().replace("[train]", '[train]\non_stuck = "record"'))
    progress = quiet_progress()
    trial = search(1, progress=progress).trials[0]
    assert (ending(trial), trial.user_attrs["epochs_run"]) == ("completed", 3)
    assert trial.user_attrs["recorded"]["epoch"] == 1
    assert trial.user_attrs["recorded"]["revived"] is False
    assert trial.user_attrs["diagnosis"]["kind"] == "dead_output"
    assert set(trial.user_attrs["dead_fraction"]) == {"conv1", "conv2", "dense1"}
    assert "let go on from step" in progress.console.file.getvalue()


def test_stuck_and_diverged_end_as_pruned_with_their_reason(project):
    write_preset(
        more='activation = ["relu", "elu"]\noutput_activation = ["relu"]\n'
        '[[arms]]\nname = "stuck"\n'
        'params = { activation = "relu", learning_rate = 0.4, dropout = 0 }'
    )
    trial = search(1).trials[0]
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert (ending(trial), trial.user_attrs["arm"]) == ("stuck", "stuck")
    assert trial.user_attrs["diagnosis"]["kind"] == "dead_output"
    assert trial.user_attrs["epochs_run"] == 1
    (project / "studies/tiny.toml").write_text(
        (project / "studies/tiny.toml")
        .read_text()
        .replace("high = 0.45", "high = 1e30")
        .replace("learning_rate = 0.4", "learning_rate = 1e30")
        .replace('"relu", "elu"', '"elu"')
        .replace('activation = "relu"', 'activation = "elu"')
        .replace('output_activation = ["relu"]', 'output_activation = ["softmax"]')
    )
    trial = search(1, name="diverged").trials[0]
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert (ending(trial), trial.user_attrs["stop_reason"]) == ("diverged", "diverged")


def test_the_arms_come_first_in_order(project):
    arms = "".join(
        f'\n[[arms]]\nname = "rate {rate}"\nparams = {{ learning_rate = {rate} }}'
        for rate in (0.2, 0.3)
    )
    write_preset(more=arms)
    trials = search(3).trials
    assert [t.user_attrs.get("arm") for t in trials] == ["rate 0.2", "rate 0.3", None]
    assert [t.params["learning_rate"] for t in trials[:2]] == [0.2, 0.3]


FAILING = 'architecture = ["cnn", "mlp"]\n[[arms]]\nname = "bad"\nparams = { architecture = "mlp" }'


def test_a_failed_trial_is_tried_once_more_and_the_search_goes_on(project):
    """A multi-layer perceptron has no filters; the error is raised only when it is built."""
    write_preset(more=FAILING)
    text = (project / "studies/tiny.toml").read_text().replace("filters = [4, 8]\n", "")
    text = text.replace("[space]", "[space]\nfilters = [[4, 8], [4, 4]]")
    (project / "studies/tiny.toml").write_text(text)
    with contextlib.suppress(SearchStoppedError):  # the sampler may choose the same again
        search(2)
    study = load("tiny")
    first, second = study.trials[:2]
    assert [ending(first), ending(second)] == ["failed", "failed"]
    assert second.params == first.params
    assert second.user_attrs["retry_of"] == 0
    assert "mean nothing to the architecture mlp" in first.user_attrs["error"]
    assert "Traceback" in first.user_attrs["traceback"]
    assert "retry_of" not in study.trials[2].user_attrs


def test_three_failures_in_a_row_end_the_search(project):
    write_preset(more='architecture = ["mlp"]')
    text = (project / "studies/tiny.toml").read_text().replace("filters = [4, 8]\n", "")
    text = text.replace("[space]", "[space]\nfilters = [[4, 8], [4, 4]]")
    (project / "studies/tiny.toml").write_text(text)
    with pytest.raises(SearchStoppedError, match="3 trials in a row have failed, the last one, 2"):
        search(5)
    counts = count_trials(load("tiny").trials)
    assert (counts.failed, counts.finished, counts.running) == (3, 0, 0)
