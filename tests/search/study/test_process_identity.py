"""Who runs a trial, and whether that process still lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from search.study.process_identity import (
    process_is_elsewhere,
    process_is_gone,
    read_process,
    this_process,
)
from tests.conftest import ROOT

NAMED = """
import json, sys
from search.study.process_identity import this_process
print(json.dumps(this_process().to_dict()), flush=True)
sys.stdin.read()
"""


def test_this_process_is_not_gone():
    assert not process_is_gone(this_process())
    assert this_process().parent == os.getppid()


def test_another_that_has_its_number_is_not_taken_for_it():
    assert process_is_gone(replace(this_process(), started="before"))


def test_one_that_has_ended_is_gone_even_if_nobody_has_asked_how():
    mine = this_process()
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie then
    assert process_is_gone(replace(mine, pid=child.pid))
    child.wait()
    assert process_is_gone(replace(mine, pid=child.pid))


def test_of_another_machine_nothing_is_known():
    other = replace(this_process(), host="elsewhere", pid=2**22)
    assert process_is_elsewhere(other)
    assert not process_is_gone(other)


def test_nor_of_a_container_that_shares_the_machines_name():
    """It has numbers of its own: here another process has its number, or none has."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("processes cannot be given numbers of their own here (it takes root)")
    process = subprocess.Popen(
        [*alone, sys.executable, "-c", NAMED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    its = read_process(json.loads(process.stdout.readline()))
    assert (its.host, its.pid) == (this_process().host, 1)
    assert process_is_elsewhere(its)
    assert not process_is_gone(its)
    process.communicate()


def test_an_identity_is_read_as_it_was_written():
    mine = this_process()
    assert read_process(json.loads(json.dumps(mine.to_dict()))) == mine
    assert list(mine.to_dict()) == ["host", "numbers", "pid", "started", "parent"]


@pytest.mark.parametrize("value", [None, "here:1", [], {}, {"host": "here"}, {"pid": 1}, 7])
def test_what_names_no_process_is_none(value):
    assert read_process(value) is None


def test_of_a_process_that_was_named_in_part_nothing_is_known():
    part = read_process({"host": this_process().host, "pid": 2**22, "started": 0})
    assert process_is_elsewhere(part)
    assert not process_is_gone(part)
