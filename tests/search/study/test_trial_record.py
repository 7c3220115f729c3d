"""What is kept of a trial: written as ever, and read whoever wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from fmnist_model.diagnosis.diagnose import Diagnosis
from fmnist_model.training.engine_protocol import Latency
from fmnist_model.training.results import Recorded, RunResult
from fmnist_model.training.run_counts import EpochMetrics
from search.study.process_identity import this_process
from search.study.record_values import KeptDiagnosis, KeptRecorded
from search.study.trial_record import RECORD_VERSION, Attribute, TrialRecord

FIELDS = [name for name, field in vars(TrialRecord).items() if isinstance(field, Attribute)]
RESULT = RunResult(
    stop_reason="stuck",
    value=0.1,
    diagnosis=Diagnosis("dead_layer", "why", True, "conv1", 1, 3, {"ways_out": []}, None, 2.3),
    history=(EpochMetrics(1, None, 0.1, 2.3, 0.1, 500.0), EpochMetrics(2, 2.3, 0.1, 2.3, 0.2, 1.0)),
    epochs_run=2,
    steps_run=13,
    train_seconds=1.23456,
    images_per_second=654.321,
    engine="tensorflow",
    precision="bfloat16",
    device="CPU",
    seed=7,
    dead_fraction={"conv1": 1.0},
    checks=(),
    recorded=Recorded(1, 3, revived=False, moved=True),
)


def kept(record: TrialRecord) -> TrialRecord:
    """The record as the database gives it back."""
    return TrialRecord(json.loads(json.dumps(record.attributes)))


def test_what_is_stored_of_a_run_has_the_names_that_it_always_had():
    stored = TrialRecord.of_run(RESULT).attributes
    assert list(stored) == [
        *("stop_reason", "diagnosis", "recorded", "dead_fraction", "history"),
        *("epochs_run", "steps_run", "train_seconds", "images_per_second"),
        *("engine", "precision", "device", "seed", "record_version"),
    ]
    assert stored["history"]["val_accuracy"] == [0.1, 0.2]
    assert stored["diagnosis"]["kind"] == "dead_layer"
    assert (stored["train_seconds"], stored["images_per_second"]) == (1.235, 654.3)


def test_a_run_is_read_as_it_was_written():
    record = kept(TrialRecord.of_run(RESULT))
    assert (record.stop_reason, record.seed, record.version) == ("stuck", 7, RECORD_VERSION)
    assert record.diagnosis == KeptDiagnosis(**asdict(RESULT.diagnosis))
    assert record.recorded == KeptRecorded(1, 3, revived=False, moved=True)
    assert record.history == RESULT.curves()
    assert (record.epochs_run, record.steps_run, record.train_seconds) == (2, 13, 1.235)
    assert record.dead_fraction == {"conv1": 1.0}
    assert (record.engine, record.precision, record.device) == ("tensorflow", "bfloat16", "CPU")
    assert (record.fail_reason, record.ordinal, record.worker) == (None, None, None)


def test_a_run_that_went_on_from_kept_weights_says_so():
    went_on = replace(RESULT, continued_from=4, earlier_seconds=0.98765)
    record = kept(TrialRecord.of_run(went_on, "ab" * 32))
    assert (record.continued_from, record.weights_sha256) == (4, "ab" * 32)
    assert record.earlier_seconds == 0.988


@pytest.mark.parametrize(
    ("of_run", "own"),
    [
        ({"epochs_run": 8, "train_seconds": 16.5}, (8, 16.5)),
        (
            {"epochs_run": 8, "train_seconds": 16.5, "continued_from": 2, "earlier_seconds": 4.25},
            (6, 12.25),
        ),
        ({}, (0, 0.0)),
    ],
    ids=["whole", "continued", "not trained"],
)
def test_what_a_trial_trained_itself_leaves_out_what_it_was_continued_from(of_run, own):
    record = kept(TrialRecord(of_run))
    assert (record.epochs_trained, record.seconds_trained) == own


def test_a_second_try_finds_what_was_planned():
    plan = kept(TrialRecord.of_plan(9, 3, 4, 1, 2, "race", "an arm"))
    assert (plan.ordinal, plan.arm, plan.version) == (9, "an arm", RECORD_VERSION)
    assert plan.planned == {
        "configuration": 3,
        "budget": 4,
        "replicate": 1,
        "generation": 2,
        "role": "race",
    }
    assert kept(TrialRecord.of_claim(9)).planned == {}


def test_a_claim_names_the_process_and_no_more_than_there_is():
    mine = this_process()
    record = kept(TrialRecord.of_claim(5, mine, arm="a", retry_of=3))
    assert (record.ordinal, record.arm, record.retry_of, record.worker) == (5, "a", 3, mine)
    assert set(TrialRecord.of_claim(5, mine).attributes) == {"ordinal", "worker", "record_version"}


def test_an_exception_is_kept_with_its_traceback():
    try:
        raise ValueError("x" * 1000)
    except ValueError as error:
        record = kept(TrialRecord.of_exception(error))
    assert record.fail_reason == "exception"
    assert record.error == ("ValueError: " + "x" * 1000)[:500]
    assert record.traceback.startswith("Traceback")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("dead_output", "stuck"), ("dead_layer", "stuck"), ("non_finite", "diverged")],
)
def test_of_a_trial_that_the_callback_stops_reason_and_diagnosis_are_kept(kind, reason):
    record = kept(TrialRecord.of_stop(Diagnosis(kind, "why")))
    assert (record.stop_reason, record.diagnosis.kind) == (reason, kind)
    assert set(record.attributes) == {"stop_reason", "diagnosis", "record_version"}


def test_measures_stand_beside_the_rest():
    record = kept(TrialRecord.of_run(RESULT).with_more(TrialRecord.of_measures(12730)))
    assert (record.parameters, record.latency_ms, record.stop_reason) == (12730, None, "stuck")
    record = kept(TrialRecord.of_measures(12730, Latency(1.23456, 0.5)))
    assert (record.latency_ms, record.latency_spread_ms) == (1.2346, 0.5)
    assert set(TrialRecord.of_run(RESULT).with_more(TrialRecord({})).attributes) == set(
        TrialRecord.of_run(RESULT).attributes
    )


def test_every_field_has_a_writer():
    went_on = replace(RESULT, continued_from=1)
    written = {*TrialRecord.of_run(went_on, "hash").attributes, "traceback"}
    written |= set(TrialRecord.of_plan(0, 0, 1, 0, 0, "new").attributes)
    written |= set(TrialRecord.of_measures(5, Latency(1.0, 0.1)).attributes)
    written |= set(TrialRecord.of_claim(0, this_process(), "a", 0).attributes)
    written |= set(TrialRecord.of_failure("killed", "why").attributes)
    written |= set(TrialRecord({}).with_weights_note("trained again").attributes)
    assert written == set(FIELDS)


def test_a_trial_of_another_origin_has_an_empty_record():
    record = TrialRecord({"note": "added by hand"})
    assert record.version == 0
    assert {getattr(record, name) for name in FIELDS} == {None}


NONSENSE = ["word", -1, True, [1], {"a": "b"}, float("nan"), float("inf"), 10**400, {}, []]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:6])
def test_what_this_program_does_not_write_is_absent_and_raises_nothing(name, value):
    texts = ("arm", "engine", "precision", "device", "error", "traceback")
    texts += ("weights_sha256", "weights_note")
    expected = value if (name in texts and value == "word") else None
    if name == "dead_fraction" and value == {}:
        expected = {}  # of a network without hidden layers
    assert getattr(TrialRecord({name: value}), name) == expected


@pytest.mark.parametrize(
    "history",
    [
        {"loss": [1.0]},
        {"loss": [1.0], "accuracy": [1.0], "val_loss": [1.0], "val_accuracy": [1.0, 2.0]},
        {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []},
        {"loss": 1, "accuracy": 1, "val_loss": 1, "val_accuracy": 1},
    ],
)
def test_a_history_is_four_lists_of_one_length(history):
    assert TrialRecord({"history": history}).history is None


def test_figures_that_are_not_finite_are_none():
    lists = {name: [float("nan"), 0.5] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    assert TrialRecord({"history": lists}).history["loss"] == [None, 0.5]


def test_a_diagnosis_needs_a_kind_alone():
    found = TrialRecord({"diagnosis": {"kind": "new", "epoch": "x", "certain": "yes"}}).diagnosis
    assert found == KeptDiagnosis("new", *[None] * 8)
    assert TrialRecord({"diagnosis": {"message": "why"}}).diagnosis is None


def test_a_later_version_is_read_field_by_field():
    record = TrialRecord({"record_version": 9, "seed": 3, "stop_reason": "bored", "new": 1})
    assert (record.version, record.seed, record.stop_reason) == (9, 3, None)


def test_a_seed_is_one_that_training_takes():
    assert TrialRecord({"seed": 2**31 - 1}).seed == 2**31 - 1
    assert TrialRecord({"seed": 2**31}).seed is None
