"""A preset's file is found by name or path, and one that cannot be read is one sentence."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path

import pytest

from search.presets import files
from search.presets.files import PresetError, load_preset, study_name
from tests.conftest import PATHS


def test_a_preset_is_named_or_is_a_path(project):
    Path("elsewhere").mkdir()
    shutil.copy("studies/smoke.toml", "elsewhere/paper.toml")
    by_path = load_preset("elsewhere/paper.toml")
    assert by_path == load_preset("elsewhere/paper.toml", PATHS.presets)
    assert by_path == load_preset("smoke", PATHS.presets)
    assert by_path != load_preset("paper", PATHS.presets)


def test_a_missing_preset_lists_those_there_are(project):
    with pytest.raises(PresetError, match="no such preset; there are paper, smoke, wide"):
        load_preset("papr", PATHS.presets)


@pytest.mark.parametrize(
    ("content", "said"), [(b"[space", "not valid TOML"), (b"\xff\xfe", "not UTF-8 text")]
)
def test_a_file_that_is_no_toml(project, content, said):
    Path("studies/x.toml").write_bytes(content)
    with pytest.raises(PresetError, match=said):
        load_preset("x", PATHS.presets)


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "", ".hidden", "a b", "x" * 101, "<script>", "a\n"]
)
def test_an_unsafe_study_name_is_refused(name):
    with pytest.raises(PresetError, match="take up to 100 letters, digits"):
        study_name("paper", name)


def test_a_study_is_named_after_its_preset():
    assert study_name("paper", None) == study_name("elsewhere/paper.toml", None) == "paper"
    assert study_name("v1.2", None) == "v1.2"


def test_a_preset_in_a_subfolder_gives_its_study_the_file_s_name(project):
    Path("studies/own").mkdir()
    shutil.copy("studies/smoke.toml", "studies/own/wider.toml")
    assert load_preset("own/wider", PATHS.presets) == load_preset("smoke", PATHS.presets)
    assert study_name("own/wider", None) == "wider"


def test_the_examples_of_the_documentation(project):
    assert doctest.testmod(files) == (0, 1)
