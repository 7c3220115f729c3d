"""The marks of trials, and the texts that appear when the pointer is on them."""

from __future__ import annotations

from studies.figures.marks import by_ending, hover, hyperparameters
from studies.figures.trial_frame import trial_table
from tests.studies.conftest import one_of_each, store


def test_a_mark_tells_how_its_trial_ended_and_its_hyperparameters(project):
    table = trial_table(store(one_of_each(), memory=True).trials)
    assert set(hyperparameters(table)) == {
        "activation",
        "output_activation",
        "dropout",
        "learning_rate",
    }
    lines = [text.split("<br>") for text in hover(table, ["dropout"])]
    assert lines[0] == ["trial 0: completed, 0.8500", "dropout 0.2"]
    assert lines[1][-1] == "dead_output in output since step 2"
    assert [line[0].split(",")[0] for line in lines[2:]] == [
        "trial 2: pruned",
        "trial 3: diverged",
        "trial 4: failed",
    ]


def test_there_is_a_trace_for_each_ending_that_there_is():
    table = trial_table(one_of_each()[:3])
    traces = by_ending(table.assign(text=hover(table)), "dropout", "value")
    assert [trace.name for trace in traces] == ["completed", "pruned", "stuck"]
    assert [list(trace.y) for trace in traces] == [[0.85], [0.5], [0.1]]
