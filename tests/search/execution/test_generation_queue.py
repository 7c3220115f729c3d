"""Searches in budgets: which run a worker gets, and what becomes of a whole search.

A stand-in trains. tests/faults/test_generations.py has several workers, and kills them.
"""

from __future__ import annotations

import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial, TrialState, create_trial

from benchmarks.standins.replay import Replay
from fmnist_model.network.size import parameters
from fmnist_model.training.engine_protocol import Latency
from fmnist_model.utils.errors import UserError
from search.algorithms.samplers import run_seed
from search.algorithms.terminator import MIN_RUNS, STOPPED
from search.execution.generation_queue import GenerationQueue
from search.execution.time_limit import TimeLimit
from search.execution.trial_queue import IdleReason
from search.generations.plan import race_reserve
from search.generations.warm_start import WarmStart, WarmStartError
from search.presets.files import load_preset
from search.presets.search_space import configurations
from search.storage.connection import open_storage
from search.storage.errors import StorageError
from search.study.process_identity import this_process
from search.study.runs import RunKey, key_of
from search.study.study import open_study
from search.study.trial_record import TrialRecord
from search.study.trials import count_trials
from search.study.winner import winner_of
from tests.conftest import PATHS
from tests.search.conftest import URL, load, search, table, write_preset
from tests.search.execution.test_runner import InterruptingProgress

SEARCH = "\n[search]\nbudgets = [1, 2, 8]\nreduction_factor = 2\ngeneration = 4\n"


@pytest.fixture
def budgeted(project):
    write_preset(epochs=8, more=SEARCH)
    return project


def opened(url: str = URL) -> optuna.Study:
    return open_study(open_storage(url, 60), "tiny", load_preset("tiny", PATHS.presets), 7)


def queue_of(study: optuna.Study, target: int | None = 30, **more) -> GenerationQueue:
    return GenerationQueue(study, load_preset("tiny", PATHS.presets), target, **more)


def claim(study: optuna.Study, **more) -> Trial:
    claimed = queue_of(study, **more).next()
    assert isinstance(claimed, Trial)
    return claimed


def end(study: optuna.Study, trial: Trial, value: float = 0.5) -> None:
    for name, dimension in load_preset("tiny", PATHS.presets).space.dimensions().items():
        trial.suggest_float(name, dimension.low, dimension.high)
    study.tell(trial, value)


def end_generation(study: optuna.Study) -> None:
    """Run all that is planned, or one generation more."""
    while True:
        trial = claim(study)
        end(study, trial, 0.1 + trial.number / 100)
        if not any(trial.state == TrialState.WAITING for trial in study.trials):
            return


def replayed(trials: int | None, seconds: float = 0, **more) -> optuna.Study:
    return search(trials, load=lambda *_: Replay(seconds), **more)


def keys(study: optuna.Study) -> list[RunKey | None]:
    return [key_of(trial) for trial in study.trials]


# What is planned and claimed


def test_the_first_claim_plans_a_generation(budgeted):
    study = opened()
    record = TrialRecord.of(claim(study))
    assert record.worker == this_process()
    assert keys(study) == [(n, 1, 0) for n in range(4)]
    assert [trial.state.name for trial in study.trials] == ["RUNNING", *["WAITING"] * 3]
    records = [TrialRecord.of(trial) for trial in study.trials]
    assert [(r.ordinal, r.generation, r.role) for r in records] == [(n, 0, "new") for n in range(4)]


def test_those_that_wait_are_claimed_in_order_and_then_others_are_waited_for(budgeted):
    study = opened()
    claimed = [claim(study) for _ in range(4)]
    assert [trial.number for trial in claimed] == [0, 1, 2, 3]
    assert queue_of(study).next() is IdleReason.WAIT
    for trial in claimed[:3]:
        end(study, trial)
    assert queue_of(study).next() is IdleReason.WAIT
    end(study, claimed[3])
    assert TrialRecord.of(claim(study)).generation == 1
    assert keys(study)[4:6] == [(0, 2, 0), (1, 2, 0)]  # promoted: of equals the first


def fail(study: optuna.Study, trial: Trial, reason: str) -> None:
    trial.set_user_attr("fail_reason", reason)
    study.tell(trial, state=TrialState.FAIL)


def test_a_lost_run_is_tried_again_as_the_same_run(budgeted):
    study = opened()
    end_generation(study)
    lost = claim(study)
    assert TrialRecord.of(lost).role == "promotion"
    fail(study, lost, "killed")
    again = claim(study)
    before, record = TrialRecord.of(lost), TrialRecord.of(again)
    assert record.retry_of == lost.number
    assert (record.ordinal, record.planned) == (before.ordinal, before.planned)
    assert set(record.planned) == {"configuration", "budget", "replicate", "generation", "role"}
    end(study, again)
    assert again.params == study.trials[record.configuration].params


def test_a_failed_run_has_its_second_chance_in_the_next_generation(budgeted):
    study = opened()
    failed = claim(study)
    fail(study, failed, "exception")
    end_generation(study)
    again = claim(study)
    record = TrialRecord.of(again)
    assert (record.retry_of, record.ordinal, record.generation) == (failed.number, 4, 1)
    assert key_of(again) == key_of(failed)
    fail(study, again, "exception")
    end_generation(study)
    claim(study)
    assert keys(study).count(key_of(failed)) == 2


def test_what_somebody_has_enqueued_is_a_new_configuration(budgeted):
    study = opened()
    first = claim(study)
    study.enqueue_trial({"dropout": 0.125}, user_attrs={"ordinal": "first", "arm": 3})
    for trial in [first, *(claim(study) for _ in range(3))]:
        end(study, trial)
    theirs = claim(study)
    record = TrialRecord.of(theirs)
    assert key_of(theirs) == (4, 1, 0)
    assert (record.ordinal, record.generation, record.role) == (4, 0, "new")
    end(study, theirs, 0.9)
    assert theirs.params["dropout"] == 0.125
    assert 0.15 <= theirs.params["learning_rate"] <= 0.45
    fixed = study.trials[theirs.number].system_attrs["fixed_params"]
    assert fixed == theirs.params  # a second try has them all, too
    assert key_of(claim(study)) == (4, 2, 0)


def test_an_enqueued_trial_with_nonsense_fails_like_any_other(budgeted):
    study = opened()
    study.enqueue_trial({"dropout": "much"})
    theirs = claim(study)
    with pytest.raises(ValueError, match="much"):
        theirs.suggest_float("dropout", 0.0, 0.5)


def test_trials_of_others_are_left_alone(budgeted):
    study = opened()
    study.add_trial(create_trial(state=TrialState.FAIL))
    study.add_trial(create_trial(value=0.9))
    end_generation(study)
    claim(study)
    assert [key for key in keys(study) if key][:4] == [(n, 1, 0) for n in range(2, 6)]
    assert all(TrialRecord.of(trial).retry_of is None for trial in study.trials)


def test_no_more_are_planned_than_are_needed_and_the_rest_waits_for_more_trials(budgeted):
    study = opened()
    first = claim(study, target=4)  # one of which is kept for the end
    assert len(study.trials) == 3
    end(study, first)
    assert queue_of(study, target=1).next() is IdleReason.DONE
    assert key_of(claim(study, target=2)) == (1, 1, 0)


def test_an_exhausted_grid_ends_the_search(project):
    write_preset(epochs=8, more=SEARCH + '[sampler]\nname = "grid"')
    path = project / "studies/tiny.toml"
    text = path.read_text().replace("{ low = 0.0, high = 0.5 }", "[0.0, 0.5]")
    path.write_text(text.replace("{ low = 0.15, high = 0.45 }", "[0.2]"))
    study = replayed(30)
    tried = {key.configuration for key in keys(study)}
    assert len(tried) == 2
    assert max(key.budget for key in keys(study)) == 8
    later = replayed(None, limit=TimeLimit.from_now(60))
    assert queue_of(later, None, limit=TimeLimit.from_now(60)).next() is IdleReason.EXHAUSTED


# Whole searches


@pytest.mark.parametrize("trials", [1, 2, 3, 13])
def test_trials_is_met_exactly_and_the_last_is_one_of_the_greatest_budget(budgeted, trials):
    study = replayed(trials)
    assert count_trials(study.trials).finished == len(study.trials) == trials
    assert keys(study)[-1].budget == 8
    assert [trial.last_step for trial in study.trials] == [key.budget for key in keys(study)]


def test_runs_of_a_configuration_have_its_seeds(budgeted):
    study = replayed(20)
    for trial in study.trials:
        key = key_of(trial)
        seed = run_seed(648, key.configuration, key.replicate)
        assert TrialRecord.of(trial).seed == seed
    assert max(key.replicate for key in keys(study)) > 0


def test_it_goes_on_with_more_trials(budgeted):
    before = table(replayed(8))
    study = replayed(24)
    assert table(study)[:8] == before
    assert count_trials(study.trials).finished == 24
    assert table(replayed(24)) == table(study)


def test_it_is_the_same_on_any_database(budgeted, url):
    assert table(replayed(14, url=url)) == table(replayed(14, url="sqlite:///other.db"))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_an_interrupted_search_equals_an_uninterrupted_one(project, sampler):
    write_preset(epochs=8, more=f'{SEARCH}[sampler]\nname = "{sampler}"')
    straight = table(replayed(26))
    Path("studies/results/studies.db").unlink()
    at = {5, 8, 12, 20}  # each in a run of more than one epoch
    for number in sorted(at):
        with pytest.raises(KeyboardInterrupt):
            replayed(26, progress=InterruptingProgress({number}))
    interrupted = replayed(26)
    assert count_trials(interrupted.trials).lost == len(at)
    assert table(interrupted) == straight


class Failing(Replay):
    """Its fourth run raises an exception."""

    runs = 0

    def run(self, *arguments, **options):
        self.runs += 1
        if self.runs == 4:
            raise RuntimeError("made up")
        return super().run(*arguments, **options)


def test_a_failure_costs_no_configuration(budgeted):
    study = search(14, load=lambda *_: Failing())
    counts = count_trials(study.trials)
    assert (counts.finished, counts.failed) == (14, 1)
    assert keys(study).count((3, 1, 0)) == 2


def test_it_ends_early_by_its_longest_runs_after_a_race(project):
    """All are equal, so nothing is gained; but the rule needs so many that were trained in full."""
    write_preset(epochs=2, more="\n[search]\nbudgets = [1, 2]\ngeneration = 16\n")
    study = opened()
    queue = queue_of(study, target=1000, stop_when=0.001)
    while isinstance(claimed := queue.next(), Trial):
        end(study, claimed)
        assert study.user_attrs.get(STOPPED) is None
    assert claimed is IdleReason.STOPPED
    assert study.user_attrs[STOPPED]["budget"] == 2
    first = [key for key in keys(study) if key.budget == 2 and key.replicate == 0]
    assert MIN_RUNS <= len(first) < MIN_RUNS + 16
    raced = sum(key.replicate > 0 for key in keys(study))
    assert race_reserve(len(study.trials)) <= raced < race_reserve(len(study.trials)) + 16
    assert roles(study)[-raced:] == ["race"] * raced


# A time limit


def roles(study: optuna.Study) -> list[str | None]:
    return [TrialRecord.of(trial).role for trial in study.trials if trial.state.is_finished()]


def test_a_search_ends_in_time_with_a_race(budgeted):
    limit = TimeLimit.from_now(8)
    study = replayed(None, 0.04, limit=limit)
    assert -1 < limit.left < 3
    assert set(roles(study)) == {"new", "promotion", "race"}
    began = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    assert max(began) < limit.deadline
    first = next(trial for trial in study.trials if TrialRecord.of(trial).role == "race")
    assert 0.15 * 8 < limit.deadline - first.datetime_start.timestamp() < 0.5 * 8
    records = [TrialRecord.of(trial) for trial in study.trials]
    assert all(r.configuration == r.ordinal for r in records if r.role == "new")


def test_trials_and_time_together_end_a_search_by_whichever_comes_first(budgeted):
    by_trials = replayed(12, limit=TimeLimit.from_now(600))
    assert table(by_trials) == table(replayed(12, url="sqlite:///other.db"))
    by_time = replayed(10_000, 0.04, url="sqlite:///third.db", limit=TimeLimit.from_now(5))
    assert 12 < count_trials(by_time.trials).finished < 500
    assert "race" in roles(by_time)


def test_a_run_that_would_not_end_in_time_is_not_begun_but_a_shorter_one_is(budgeted):
    study = opened()
    end_generation(study)
    for trial in [claim(study) for _ in range(2)]:  # of two epochs
        trial.set_user_attr("epochs_run", 2)
        trial.set_user_attr("train_seconds", 20.0)
        end(study, trial)
    waiting = [key_of(t).budget for t in study.trials if t.state == TrialState.WAITING]
    assert waiting == [1] * 4
    assert queue_of(study, limit=TimeLimit.from_now(9)).next() is IdleReason.OUT_OF_TIME
    assert key_of(claim(study, limit=TimeLimit.from_now(30))) == (6, 1, 0)


@pytest.mark.parametrize(("left", "budgets"), [(100, {8}), (900, {1, 2, 8})])
def test_once_only_the_time_of_the_race_is_left_no_more_are_tried(budgeted, left, budgets):
    study = opened()
    for _ in range(4):
        end_generation(study)
    before = len(study.trials)
    claim(study, target=None, limit=TimeLimit(1000, time.time() + left))
    assert {key.budget for key in keys(study)[before:]} == budgets


def take(study: optuna.Study, trial: Trial, seconds: float) -> None:
    """End a run that took so many seconds."""
    trial.set_user_attr("epochs_run", key_of(trial).budget)
    trial.set_user_attr("train_seconds", seconds)
    end(study, trial, 0.1 + trial.number / 100)


def test_what_waits_gives_way_to_the_race_once_it_is_known_how_long_runs_take(budgeted):
    """Nothing was known when the first generation was planned, so there is too much of it."""
    study = opened()
    limit = TimeLimit(200, time.time() + 139)
    take(study, claim(study, target=None, limit=limit), 10.0)
    first, others = claim(study, target=None, limit=limit), queue_of(study, None, limit=limit)
    assert key_of(first) == (0, 8, 0)
    assert others.next() is IdleReason.WAIT
    take(study, first, 80.0)
    late = TimeLimit(200, time.time() + 85)
    assert key_of(claim(study, target=None, limit=late)) == (0, 8, 1)
    assert [key for key in keys(study) if key.budget == 1] == [(n, 1, 0) for n in range(4)]
    assert key_of(claim(study)) == (1, 1, 0)  # later, with time enough


@pytest.mark.parametrize(("left", "budget"), [(70, 1), (9, None)])
def test_where_none_can_be_trained_in_full_all_of_the_time_is_for_short_runs(
    budgeted, left, budget
):
    study = opened()
    take(study, claim(study), 10.0)
    claimed = queue_of(study, None, limit=TimeLimit(100, time.time() + left)).next()
    assert (key_of(claimed).budget if isinstance(claimed, Trial) else None) == budget


def test_a_search_begins_with_a_short_run_however_little_time_is_left(budgeted):
    """As where loading the data took most of it: how long runs take is not known yet."""
    study = opened()
    assert key_of(claim(study, target=None, limit=TimeLimit(100, time.time() + 5))) == (0, 1, 0)


def test_what_somebody_has_enqueued_is_not_begun_without_time_for_it(budgeted):
    study = opened()
    for trial in [claim(study) for _ in range(4)]:
        take(study, trial, 10.0)
    study.enqueue_trial({"dropout": 0.125})
    late = TimeLimit(1000, time.time() + 9)
    assert queue_of(study, limit=late).next() is IdleReason.OUT_OF_TIME
    assert key_of(claim(study)) == (4, 1, 0)


# Further objectives


class Measured(Replay):
    """Says of each network that it takes longer the less its dropout is."""

    def run(self, model, train, report=None, *, start=None, keep=False):
        self._dropout = model.dropout
        return super().run(model, train, report, start=start, keep=keep)

    def latency(self) -> Latency:
        return Latency(1.0 - self._dropout, 0.1)


def measured(trials: int, **more) -> optuna.Study:
    return search(trials, load=lambda *_: Measured(), **more)


@pytest.fixture
def with_objectives(project):
    objective = '[objective]\nminimize = ["parameters", "latency_ms"]\n'
    write_preset(epochs=8, more=f"dense_units = [8, 16, 32]\n{objective}{SEARCH}")
    path = project / "studies/tiny.toml"
    path.write_text(path.read_text().replace("dense_units = 16\n", "", 1))
    return project


def test_measures_are_kept_in_the_records_of_runs(with_objectives):
    study = measured(20)
    for trial in study.trials:
        record = TrialRecord.of(trial)
        model, _ = configurations(load_preset("tiny", PATHS.presets), trial.params, 0)
        assert record.parameters == parameters(model)
        in_full = record.budget == 8
        assert record.latency_ms == (
            pytest.approx(1 - model.dropout, abs=1e-4) if in_full else None
        )
        assert record.latency_spread_ms == (0.1 if in_full else None)
    assert winner_of(study).front


def test_an_interrupted_search_for_several_objectives_equals_an_uninterrupted_one(with_objectives):
    straight = table(measured(26))
    Path("studies/results/studies.db").unlink()
    for number in (5, 12, 20):
        with pytest.raises(KeyboardInterrupt):
            measured(26, progress=InterruptingProgress({number}))
    assert table(measured(26)) == straight


def test_a_preset_without_objectives_measures_nothing(budgeted):
    names = {name for trial in measured(8).trials for name in trial.user_attrs}
    assert not names & {"parameters", "latency_ms"}


def test_an_engine_that_cannot_measure_latency_is_refused(with_objectives):
    with pytest.raises(UserError, match="the preset needs latency_ms, which this engine does not"):
        replayed(4)
    assert load("tiny").trials == []


def test_a_space_without_a_feasible_network_is_refused_before_anything_begins(project):
    write_preset(epochs=8, more=f'[objective]\nconstraints = ["parameters <= 9"]\n{SEARCH}')
    with pytest.raises(UserError, match="the space has no network that meets parameters <= 9"):
        search(4, load=lambda *_: pytest.fail("an engine was loaded"))


# A study that is begun from another


def test_a_search_from_another_study_does_not_depend_on_what_becomes_of_it(project):
    """The other one has no budgets, other epochs and another range; later it is not there."""
    write_preset("other", epochs=3)
    search(6, "other", preset="other", load=lambda *_: Replay())
    write_preset(epochs=8, more=SEARCH)
    straight = replayed(20, source="other")
    taken = WarmStart.of(straight)
    assert taken.in_words().endswith("best configurations of study other")
    first = [dict(taken.configurations[place]) for place in range(2)]
    assert all(any(trial.params == one for trial in straight.trials[:4]) for one in first)
    before = table(straight)
    optuna.delete_study(study_name="tiny", storage=open_storage(URL))
    with pytest.raises(KeyboardInterrupt):
        replayed(20, source="other", progress=InterruptingProgress({5}))
    optuna.delete_study(study_name="other", storage=open_storage(URL))
    with pytest.raises(KeyboardInterrupt):
        replayed(20, progress=InterruptingProgress({9}))
    assert table(replayed(20, source="other")) == before


def test_a_search_goes_on_from_no_other_study_than_it_began(budgeted):
    replayed(2)
    with pytest.raises(WarmStartError, match="'tiny' was begun from no other study, not from"):
        replayed(4, source="other")
    with pytest.raises(StorageError, match="there is no study 'tiny2'"):
        replayed(4, name="new", source="tiny2")
    assert optuna.get_all_study_names(open_storage(URL)) == ["tiny"]


def test_an_interrupted_search_with_a_prior_equals_an_uninterrupted_one(project):
    write_preset(epochs=8, more=f"{SEARCH}[prior]\nlearning_rate = 0.2")
    straight = table(replayed(16))
    Path("studies/results/studies.db").unlink()
    with pytest.raises(KeyboardInterrupt):
        replayed(16, progress=InterruptingProgress({6}))
    assert table(replayed(16)) == straight
    write_preset("without", epochs=8, more=SEARCH)
    assert table(replayed(16, name="without", preset="without")) != straight
