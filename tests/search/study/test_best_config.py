"""The best configuration as a file: of a search's trial, and of one that somebody has added."""

from __future__ import annotations

import tomllib

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from fmnist_model.evaluation.exported_config import ExportedConfig, read_exported_config
from search.storage.connection import open_storage
from search.study.best_config import ExportError, export
from search.study.winner import winner_of
from tests.conftest import PATHS
from tests.search.conftest import URL
from tests.search.in_budgets import store_search
from tests.search.several_objectives import store_search_for_both
from tests.search.study.conftest import add


def exported(study: optuna.Study, number: int | None = None, rule=None) -> ExportedConfig:
    return read_exported_config(export(study, URL, PATHS.results, number, rule))


def test_a_trial_that_was_added_by_hand_is_exported_with_the_seed_of_the_study(kept):
    added = add(kept, 0.9)
    path = export(kept, URL, PATHS.results)
    written = tomllib.loads(path.read_text())
    assert (written["provenance"]["trial"], written["train"]["seed"]) == (added.number, 7)
    assert written["model"]["filters"] == [4, 8]
    assert not {"device", "precision"} & set(written["provenance"])
    assert exported(kept).train.seed == 7


def test_a_seed_of_the_study_that_training_does_not_take_is_made_one(kept):
    kept.set_user_attr("seed", 2**32 - 1)
    add(kept, 0.9)
    assert exported(kept).train.seed == 2**31 - 1


@pytest.mark.parametrize("seed", ["seven", -1, 2**31, None, 3.5, [3]])
def test_a_seed_that_is_none_is_not_taken(kept, seed):
    add(kept, 0.9, seed=seed)
    assert exported(kept).train.seed == 7


def test_its_own_seed_is_taken(kept):
    add(kept, 0.9, seed=3, device=["not", "a", "device"])
    assert exported(kept).train.seed == 3


def test_what_it_lacks_is_one_sentence(kept):
    number = add(kept, 0.9, without=("dropout", "filters")).number
    said = f"trial {number} of study 'kept' cannot be exported: it has no dropout, filters"
    with pytest.raises(ExportError) as error:
        exported(kept)
    assert str(error.value) == said
    assert exported(kept, 0).train.learning_rate == 0.2


def test_what_no_configuration_has_is_one_sentence(kept):
    number = add(kept, 0.9, more={"optimizer": ("adam", CategoricalDistribution(["adam"]))}).number
    said = f"trial {number} of study 'kept' cannot be exported: no configuration has its optimizer"
    with pytest.raises(ExportError, match=said):
        exported(kept)


def test_what_the_preset_fixes_may_be_another_there(kept):
    add(kept, 0.9, more={"batch_size": (50, IntDistribution(1, 99))})
    assert exported(kept).train.batch_size == 50


def test_a_value_outside_of_the_space_is_exported_if_it_is_one(kept):
    wide = FloatDistribution(1e-9, 1e9, log=True)
    add(kept, 0.9, more={"learning_rate": (1e-6, wide)})
    assert exported(kept).train.learning_rate == 1e-6
    add(kept, 0.95, more={"dropout": (1.5, FloatDistribution(0, 2))})
    with pytest.raises(ExportError, match=r"exported: dropout: input should be less than 1, got 1"):
        exported(kept)


def test_a_study_that_has_not_seen_its_data_yet_exports_without_their_name(tiny):
    from search.presets.files import load_preset
    from search.study.study import open_study

    study = open_study(open_storage(URL), "tiny", load_preset("tiny", PATHS.presets), None)
    params = {"dropout": 0.1, "learning_rate": 0.2}
    distributions = {name: FloatDistribution(0.0, 1.0) for name in params}
    study.add_trial(optuna.create_trial(value=0.5, params=params, distributions=distributions))
    assert exported(study).data.sha256 is None
    assert exported(study).train.seed == 648


@pytest.mark.parametrize(
    ("state", "said"),
    [(TrialState.PRUNED, "is pruned, not completed"), (TrialState.FAIL, "is failed, not")],
)
def test_only_completed_trials_are_exported(kept, state, said):
    number = add(kept, state=state).number
    with pytest.raises(ExportError, match=f"trial {number} of study 'kept' {said}"):
        exported(kept, number)


def test_the_command_says_it_in_one_sentence(kept, command):
    add(kept, 0.9, without=("dropout",))
    done = command("search", "export", "--study", "kept")
    assert done.returncode == 2
    assert done.stderr == "error: trial 16 of study 'kept' cannot be exported: it has no dropout\n"


# A search in budgets


def test_the_chosen_configuration_is_exported_with_what_is_known_of_it(project):
    study = store_search()
    one = winner_of(study).standing
    written = exported(study)
    known = written.provenance
    assert (known["trial"], known["validation_accuracy"]) == (one.number, one.mean)
    assert known["validation_interval"] == [one.low, one.high]
    assert (known["validation_seeds"], known["budget"]) == (4, 10)
    assert known["best_probability"] == one.best_probability
    first = study.trials[one.number]
    assert written.train.seed == first.user_attrs["seed"]
    assert written.train.learning_rate == first.params["learning_rate"]


def test_a_run_of_a_small_budget_is_exported_with_the_epochs_of_a_whole_one(project):
    study = store_search()
    written = exported(study, 0)
    assert written.train.epochs == 10
    known = written.provenance
    assert (known["budget"], known["validation_accuracy"]) == (1, study.trials[0].value)
    assert "validation_seeds" not in known


def test_what_was_chosen_from_the_front_is_exported_with_the_rule(project):
    study = store_search_for_both()
    best = winner_of(study)
    known = exported(study).provenance
    assert (known["rule"], known["trial"]) == ("best", best.trial.number)
    assert known["minimize"] == ["parameters", "latency_ms"]
    assert known["constraints"] == ["parameters <= 400000"]
    assert known["pareto_front"] == [one.configuration for one in best.front]
    assert known["measured"] == best.standing.measured
    small = exported(study, rule="one_standard_error").provenance
    assert small["rule"] == "one_standard_error"
    assert small["reason"].startswith("the one with the least parameters")


def test_a_rule_needs_no_objective_but_budgets(project, kept):
    known = exported(store_search(), rule="one_standard_error").provenance
    assert known["rule"] == "one_standard_error"
    assert "pareto_front" not in known
    assert "rule" not in exported(store_search()).provenance
    add(kept, 0.9)
    with pytest.raises(ExportError, match="study 'kept' is not searched in budgets, so there is"):
        exported(kept, rule="best")
    with pytest.raises(ExportError, match="a trial or a rule to choose one, not both"):
        exported(kept, 0, rule="best")


def test_where_nothing_meets_the_constraints_the_export_says_so(project):
    study = store_search_for_both(objective={"constraints": ["latency_ms <= 0.01"]}, count=20)
    said = "study 'both': no configuration that was tried for 10 epochs meets latency_ms <= 0.01"
    with pytest.raises(ExportError, match=said):
        exported(study)
    assert exported(study, 0).provenance["trial"] == 0
