"""The search's command line: quick without TensorFlow, and plain about mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from fmnist_model.evaluation.exported_config import read_exported_config
from search.generations.warm_start import WarmStart
from search.storage.connection import open_storage
from search.study.process_identity import this_process
from search.study.runs import RunKey
from search.study.trial_record import TrialRecord
from search.study.winner import winner_of
from tests.conftest import DATA
from tests.search.conftest import URL, load, search, write_preset
from tests.search.in_budgets import PRESET, continued, run_trial, store_search
from tests.search.several_objectives import store_search_for_both


def test_run_tells_what_it_did_and_what_to_do_next(tiny, command, invoke):
    Path("studies/results").rmdir()  # it is made where the default database is to be
    done = command("search", "run", "--study", "tiny", "--trials", "3", "--data", DATA)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "1,000 training and 250 validation images on" in done.stdout
    assert "tiny: 3 finished: " in done.stdout
    assert "best trials" in done.stdout
    assert "make export STUDY=tiny " in done.stdout
    again = invoke("search", "run", "--study", "tiny", "--trials", "3", "--data", DATA)
    assert "loading the data" not in again.stdout
    assert "tiny: 3 finished: " in again.stdout


def test_a_search_with_a_timeout_says_how_much_of_it_was_used(tiny, command, invoke):
    given = ("search", "run", "--study", "tiny", "--data", DATA, "--timeout")
    done = command(*given, "0.2m")
    assert done.returncode == 0, done.stderr
    assert re.search(r"this took 0:00:\d\d of 0:00:12", done.stdout)
    assert "no trial that is left is expected to end in time" in done.stdout
    assert "make search STUDY=tiny" in done.stdout
    assert "TIMEOUT=0.2m" in done.stdout
    assert "TRIALS=" not in done.stdout
    wrong = invoke(*given, "soon")
    assert "error: TIMEOUT=soon: it is a time greater than 0" in wrong.stderr


def test_status_in_words_and_json(searched, invoke):
    done = invoke("search", "status", "--study", "tiny")
    assert "tiny: 3 finished: " in done.stdout
    found = json.loads(invoke("search", "status", "--study", "tiny", "--json").stdout)
    assert (found["study"], found["finished"], found["seed"]) == ("tiny", 3, 648)
    assert found["best"]["value"] == searched.best_value
    assert found["epochs_run"] == sum(t.user_attrs["epochs_run"] for t in searched.trials)


def test_what_a_continued_run_did_not_train_again_is_counted_once(project, invoke):
    study = optuna.create_study(storage=open_storage(URL), study_name="pair")
    study.set_user_attr("preset", PRESET.identity())
    short, long = RunKey(0, 1), RunKey(0, 10)
    study.add_trial(run_trial(short, 0.8))
    study.add_trial(continued(run_trial(long, 0.9, "promotion", 1), 1))
    done = invoke("search", "status", "--study", "pair", "--json")
    found = json.loads(done.stdout)
    assert (found["epochs_run"], found["train_seconds"]) == (10, 20.0)


def test_status_of_a_search_in_budgets_tells_programs_what_its_best_rests_on(project, invoke):
    study = store_search(open_storage(URL))
    done = invoke("search", "status", "--study", "budgets", "--json")
    best = json.loads(done.stdout)["best"]
    one = winner_of(study).standing
    assert (best["configuration"], best["trial"], best["budget"]) == (21, one.number, 10)
    assert (best["value"], best["interval"]) == (one.mean, [one.low, one.high])
    assert (best["seeds"], best["decided"]) == (4, False)
    assert best["best_probability"] == one.best_probability


def test_status_and_export_of_a_search_for_several_objectives(project, invoke):
    study = store_search_for_both(open_storage(URL))
    best, one = winner_of(study), ["--study", "both"]
    found = json.loads(invoke("search", "status", *one, "--json").stdout)
    assert found["objective"]["minimize"] == ["parameters", "latency_ms"]
    front = found["best"]["pareto_front"]
    assert [each["configuration"] for each in front] == [o.configuration for o in best.front]
    assert front[0]["measured"] == best.front[0].measured
    assert (found["best"]["rule"], "infeasible" in found) == ("best", False)
    assert (
        "Pareto front of accuracy, parameters and latency_ms: "
        in invoke("search", "status", *one).stdout
    )
    done = invoke("search", "export", *one, "--rule", "one_standard_error")
    assert done.returncode == 0, done.stderr
    written = tomllib.loads(Path("studies/results/both/best.toml").read_text())
    assert written["provenance"]["rule"] == "one_standard_error"
    done = invoke("search", "export", *one, "--rule", "best", "--trial", "0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_nothing_that_meets_the_constraints_is_a_sentence(project, invoke):
    limit = {"constraints": ["latency_ms <= 0.01"]}
    store_search_for_both(open_storage(URL), limit, 20)
    said = "no configuration that was tried for 10 epochs meets latency_ms <= 0.01"
    done = invoke("search", "export", "--study", "both")
    assert done.returncode == 2
    assert done.stderr == f"error: study 'both': {said}; search on with more TRIALS\n"
    assert said in invoke("search", "status", "--study", "both").stdout
    found = json.loads(invoke("search", "status", "--study", "both", "--json").stdout)
    assert (found["best"], found["infeasible"]) == (None, said)


def test_a_study_begun_from_another_says_so(searched, invoke):
    write_preset("new", more="[search]\nbudgets = [1, 3]")
    run = ("search", "run", "--study", "new", "--data", DATA, "--workers", "1")
    done = invoke(*run, "--trials", "1", "--from", "tiny")
    assert done.returncode == 0, done.stderr
    said = WarmStart.of(load("new")).in_words()
    assert said.endswith("of study tiny")
    assert done.stdout.splitlines().count(said) == 2
    assert said in invoke("search", "status", "--study", "new").stdout.splitlines()
    found = json.loads(invoke("search", "status", "--study", "new", "--json").stdout)
    assert found["begun_from"] == "tiny"
    other = invoke(*run, "--trials", "2", "--from", "paper")
    assert other.returncode == 2
    assert "'new' was begun from study 'tiny', not from 'paper'; name another" in other.stderr
    assert other.stderr.count("\n") == 1


def test_status_of_what_is_not_there(command):
    Path("studies/results").rmdir()
    done = command("search", "status")
    assert done.returncode == 2
    assert "studies/results/studies.db: no such database; make search creates it" in done.stderr
    assert not Path("studies/results").exists()


def test_status_lists_the_studies_that_there_are(searched, invoke):
    done = invoke("search", "status", "--study", "paper")
    assert done.returncode == 2
    assert "there is no study 'paper'; it has tiny" in done.stderr
    assert done.stderr.count("\n") == 1


def test_export_writes_all_that_training_needs(searched, invoke):
    done = invoke("search", "export", "--study", "tiny")
    assert done.returncode == 0, done.stderr
    path = Path("studies/results/tiny/best.toml")
    assert done.stdout == f"{path} written; next: make evaluate STUDY=tiny\n"
    written = tomllib.loads(path.read_text())
    assert set(written) == {"model", "train", "data", "provenance"}
    assert written["provenance"]["trial"] == searched.best_trial.number
    configuration = read_exported_config(path)
    assert configuration.train.learning_rate == searched.best_params["learning_rate"]
    assert configuration.model.dropout == searched.best_params["dropout"]
    assert configuration.model.filters == (4, 8)
    assert configuration.train.seed == searched.best_trial.user_attrs["seed"]


def test_an_exported_trial_trains_again_to_the_same_value(searched, invoke, everything):
    from fmnist_model.dataset.fashion_mnist import split
    from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

    invoke("search", "export", "--study", "tiny", "--trial", str(searched.best_trial.number))
    configuration = read_exported_config(Path("studies/results/tiny/best.toml"))
    again = TensorFlowEngine(*split(everything, 1000)).run(configuration.model, configuration.train)
    assert again.value == searched.best_value


def test_export_of_a_trial_that_cannot_be(searched, invoke):
    done = invoke("search", "export", "--study", "tiny", "--trial", "99")
    assert done.returncode == 2
    assert "study 'tiny' has no trial 99; its trials are 0 to 2" in done.stderr
    assert not Path("studies/results/tiny/best.toml").exists()


def test_export_without_a_completed_trial(project, invoke):
    write_preset(
        more='output_activation = ["relu"]\n[[arms]]\nname = "stuck"\n'
        "params = { learning_rate = 0.45, dropout = 0.0 }"
    )
    search(1)
    done = invoke("search", "export", "--study", "tiny")
    assert done.returncode == 2
    assert "study 'tiny' has no completed trial yet; search on with more TRIALS" in done.stderr
    done = invoke("search", "export", "--study", "tiny", "--trial", "0")
    assert "trial 0 of study 'tiny' is stuck, not completed" in done.stderr


def test_lists_are_stored_as_labels_and_exported_as_lists(project, invoke):
    write_preset(
        more="filters = [[4, 8], [6, 6]]\n[[arms]]\nname = 'a'\nparams = {filters = [6, 6]}"
    )
    text = Path("studies/tiny.toml").read_text().replace("filters = [4, 8]\n", "", 1)
    Path("studies/tiny.toml").write_text(text)
    assert search(1).trials[0].params["filters"] == "6-6"
    assert search(2).trials[1].params["filters"] in ("4-8", "6-6")
    invoke("search", "export", "--study", "tiny", "--trial", "0")
    assert read_exported_config(Path("studies/results/tiny/best.toml")).model.filters == (6, 6)
    assert load("tiny").trials[0].user_attrs["arm"] == "a"


QUICK = [
    "search --help",
    "search status --study tiny",
    "search export --study tiny",
    "fmnist_model --help",
    "studies --help",
]
PROBE = """
import runpy, sys
for line in sys.argv[1:]:
    sys.argv = line.split()
    try:
        runpy.run_module(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        assert not ended.code, line
    slow = {"tensorflow", "keras", "jax", "sklearn", "pandas", "scipy"} & set(sys.modules)
    assert not slow, (line, slow)
"""


def test_what_needs_no_tensorflow_does_not_import_it(searched):
    """Nor anything else that is slow, one after the other in a process of their own."""
    subprocess.run([sys.executable, "-c", PROBE, *QUICK], stdout=subprocess.DEVNULL, check=True)
    assert Path("studies/results/tiny/best.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--study", "nothing"), "studies/nothing.toml: no such preset; STUDY= takes one of paper"),
        (("--name", "../up"), "study name '../up': take up to 100 letters"),
        (("--storage", "studies.db"), "STORAGE='studies.db' is not a database URL"),
        (("--data", "nowhere"), "nowhere: no such directory; DATA= names"),
        (("--storage", "postgresql+nodriver://me:secret@h/d"), "me:***@h/d: its database driver"),
    ],
)
def test_mistakes_are_one_sentence(invoke, arguments, said):
    done = invoke("search", "run", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stdout + done.stderr


def test_a_killed_trial_is_not_called_running(tiny, invoke):
    study = search(1)
    dead = replace(this_process(), pid=2**22 + 1).to_dict()
    storage = open_storage("sqlite:///studies/results/studies.db")
    mine = optuna.load_study(study_name="tiny", storage=storage)
    mine.ask().set_user_attr("worker", dead)
    assert len(study.trials) == 2
    done = invoke("search", "status", "--study", "tiny")
    assert "trial 1 was killed; the next make search tries it again" in done.stdout


def test_a_database_with_damaged_pages_is_one_sentence(searched, invoke):
    path = Path("studies/results/studies.db")
    content = bytearray(path.read_bytes())
    content[8192:] = b"\x7f" * len(content[8192:])
    path.write_bytes(content)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    for verb in ("status", "export"):
        done = invoke("search", verb, "--study", "tiny")
        assert done.returncode == 2
        assert "the database cannot be used: " in done.stderr
        assert done.stderr.count("\n") == 1


def test_no_trials_at_all_is_a_mistake(invoke):
    done = invoke("search", "run", "--trials", "0")
    assert done.returncode == 2
    assert "Invalid value for '--trials'" in done.stderr


def test_workers_is_a_number_or_auto(invoke):
    for wrong in ("none", "0", "-1", "1.5"):
        done = invoke("search", "run", "--workers", wrong)
        assert done.returncode == 2
        assert "or auto" in done.stderr


def test_a_study_without_budgets_goes_on_with_one_worker_and_says_so(searched, invoke):
    write_preset(more="[search]\nbudgets = [1, 3]")
    done = invoke("search", "run", "--study", "tiny", "--trials", "4", "--data", DATA)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("study 'tiny' was begun without budgets and goes on as it began;")
    assert "starting" not in done.stdout
    assert len(load("tiny").trials) == 4
    assert TrialRecord.of(load("tiny").trials[3]).budget is None
