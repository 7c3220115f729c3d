"""Checks are due after patience, then after twice as many steps; a living run is checked less."""

from __future__ import annotations

import pytest

from fmnist_model.training.monitor import GradientMonitor


def due_at(monitor: GradientMonitor, steps: int, dead: bool) -> list[int]:
    """The steps without a gradient, one at a time, at which a check is due and finds this."""
    due = []
    for step in range(1, steps + 1):
        monitor.after(1, monitor.zero_grad_steps + 1)
        if monitor.check_due(last=False):
            monitor.record_check(dead)
            due.append(step)
    return due


@pytest.mark.parametrize("dead", [True, False])
def test_each_check_is_after_twice_as_many_steps(dead):
    assert due_at(GradientMonitor(5), 50, dead) == [5, 10, 20, 40]


def test_a_gradient_in_between_makes_it_wait_anew():
    monitor = GradientMonitor(5)
    monitor.after(4, 4)
    monitor.after(3, 2)
    assert not monitor.check_due(last=False)
    assert due_at(monitor, 3, dead=True) == [3]


def test_a_run_that_was_found_alive_needs_more_patience_from_then_on():
    alive, dead = GradientMonitor(5), GradientMonitor(5)
    for monitor, found in ((alive, False), (dead, True)):
        due_at(monitor, 5, found)
        monitor.after(1, 0)
    assert due_at(alive, 12, dead=True) == [10]
    assert due_at(dead, 12, dead=True) == [5, 10]


def test_the_last_step_of_all_needs_no_patience():
    monitor = GradientMonitor(5)
    assert not monitor.check_due(last=True)
    monitor.after(1, 1)
    assert monitor.check_due(last=True)
