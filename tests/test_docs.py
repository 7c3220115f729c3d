"""What README and docs/ say is tried: commands, options, Python, links, files and modules.

Commands are parsed, not run: make prints what it would do, and the command lines check their
arguments. Other tests run them: those of the command lines in each package's folder of tests, and
tests/faults/test_jobs.py the jobs for Slurm and Kubernetes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.page_faults import fault_of_command, fault_of_dotted, fault_of_link, fault_of_name
from tests.pages import ALL_PAGES, CONTRIBUTING, MIGRATION, PAGES, blocks, commands, inlines, links


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_page = pytest.mark.parametrize("path", PAGES, ids=page_id)


def command_faults(path: Path) -> list[str]:
    found = [fault_of_command(words) for words in commands(path.read_text())]
    return [fault for fault in found if fault]


def name_faults(path: Path) -> list[str]:
    found = [fault_of_name(name) for name in inlines(path.read_text())]
    return [fault for fault in found if fault]


def link_faults(path: Path) -> list[str]:
    found = [fault_of_link(path, link) for link in links(path.read_text())]
    return [fault for fault in found if fault]


@each_page
def test_commands_and_their_options_exist(path):
    assert command_faults(path) == []


@pytest.mark.parametrize("path", sorted({*PAGES, CONTRIBUTING} - {MIGRATION}), ids=page_id)
def test_files_and_modules_exist(path):
    assert name_faults(path) == []


@pytest.mark.parametrize("path", ALL_PAGES, ids=page_id)
def test_links_lead_somewhere(path):
    assert link_faults(path) == []


def test_every_page_is_linked_from_the_readme():
    linked = links((ROOT / "README.md").read_text())
    for path in PAGES[1:]:
        assert page_id(path) in linked


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 230
    assert len(text.split()) < 2000


@each_page
def test_blocks_name_their_language(path):
    languages = {block.language for block in blocks(path.read_text())}
    assert languages <= {"sh", "console", "text", "python", "toml", "yaml"}


@each_page
def test_python_compiles(path):
    for block in blocks(path.read_text(), "python"):
        compile(block.text, page_id(path), "exec")


def python_blocks() -> Iterator[Any]:
    """The Python blocks of the pages; those that load Keras take several seconds."""
    for path in PAGES:
        for number, block in enumerate(blocks(path.read_text(), "python")):
            slow = [pytest.mark.slow] if "import keras" in block.text else []
            yield pytest.param(block.text, id=f"{path.stem}-{number}", marks=slow)


SAVE_A_MODEL = """
from pathlib import Path
from fmnist_model.config import ModelConfig
from fmnist_model.network.build import build_network
Path("studies/results/paper").mkdir(parents=True, exist_ok=True)
build_network(ModelConfig()).save("studies/results/paper/model.keras")
"""


@pytest.mark.parametrize("code", [*python_blocks()])
def test_python_runs(code, project, monkeypatch):
    """In a project directory that has a saved model where `make evaluate` would write it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if "load_model" in code:
        subprocess.run([sys.executable, "-c", SAVE_A_MODEL], check=True)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "callback.diagnosis" in code:
        assert "dead_layer" in done.stdout


def test_the_presets_of_the_pages_are_valid():
    """Each is a whole preset, or a part that is added to one without budgets."""
    from search.presets.files import parse_preset

    whole = tomllib.loads((ROOT / "studies/smoke.toml").read_text())
    del whole["search"]
    for path in PAGES:
        for block in blocks(path.read_text(), "toml"):
            tree = tomllib.loads(block.text)
            parse_preset(tree if "space" in tree else {**whole, **tree}, page_id(path))


def test_the_explained_loss_is_as_it_is_printed():
    from fmnist_model.diagnosis.frozen_losses import explain

    shown = "\n".join(block.text for path in PAGES for block in blocks(path.read_text(), "console"))
    words = " ".join(shown.split())
    assert words.count(" ".join(explain(11.0572).split())) == words.count("explain 11.0572") == 2


def test_the_page_on_migration_says_what_modules_and_names_are_called_now():
    text = MIGRATION.read_text()
    renamed = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert len(renamed) > 80
    assert [fault for _, now in renamed if (fault := fault_of_dotted(now))] == []


# The test can fail: one page for each kind of fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\nmake serch\n```", "serch"),
        ("```sh\nmake search TRAILS=50\n```", "TRAILS"),
        ("Run `make report STDUY=paper`.", "STDUY"),
        ("```console\n$ .venv/bin/python -m search run --trails 3\n```", "--trails"),
        ("```sh\npython -m search serch\n```", "serch"),
        ("```sh\npython -m search worker --trials none --study paper\n```", "--trials"),
        ("```sh\npython -m fmnist_model explain\n```", "loss"),
        ("```sh\npython -m benchmarks.scale --storage sqlite --wrkers 3\n```", "--wrkers"),
        ("```sh\npython -m benchmarks.none\n```", "benchmarks.none"),
        ("```sh\npip install -e '.[jaxx]'\n```", "jaxx"),
        ("```sh\npip install -r benchmarks/none.txt\n```", "none.txt"),
        ("```sh\nfrobnicate now\n```", "frobnicate"),
        ("See [a page](docs/none.md).", "none.md"),
        ("See [a part](README.md#none).", "#none"),
        ("![a picture](docs/pictures/none.svg)", "none.svg"),
        ("It is in `search/none.py`.", "search/none.py"),
        ("It is in `none.py`.", "none.py"),
        ("It is in `studies/none/`.", "studies/none/"),
        ("It is in `search.none`.", "none"),
        ("It is `search.study.trials.none`.", "none"),
    ],
)
def test_what_is_wrong_is_found(tmp_path, text, fault):
    page = tmp_path / "page.md"
    (tmp_path / "README.md").write_text("# A page\n")
    page.write_text(text)
    (found,) = [*command_faults(page), *name_faults(page), *link_faults(page)]
    assert fault in found
