"""Reads the project's pages: their code blocks, commands, links and the names in backticks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
"""The pages for users, whose commands are tried."""
MIGRATION = ROOT / "docs" / "migration.md"
"""It names what there was before, too; `tests/test_docs.py` checks the names that there are now."""
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
ALL_PAGES = [*PAGES, CONTRIBUTING, ROOT / "CHANGELOG.md", ROOT / "LOG.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(make|(\.venv/bin/)?python -m) \S")


class Block(NamedTuple):
    """A fenced code block: its language ("" if none is named) and its text."""

    language: str
    text: str


def blocks(text: str, *languages: str) -> list[Block]:
    """The code blocks of a page in these languages; all if none is given."""
    found = [Block(*match) for match in FENCE.findall(text)]
    return [block for block in found if not languages or block.language in languages]


def block(page: str, language: str, word: str) -> str:
    """The text of the only block of docs/`page` in this language that has the word in it."""
    text = (ROOT / "docs" / page).read_text()
    (found,) = [each.text for each in blocks(text, language) if word in each.text]
    return found


def prose(text: str) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", text)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a page: those of the `sh` blocks, the lines behind a "$" of the
    `console` blocks, and the commands that stand in backticks."""
    for found in blocks(text, "sh", "console"):
        lines = found.text.replace("\\\n", " ").splitlines()
        if found.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        yield from filter(None, (shlex.split(line, comments=True) for line in lines))
    for inline in inlines(text):
        if COMMAND.match(inline):
            yield shlex.split(inline)


def inlines(text: str) -> list[str]:
    """What stands in backticks, outside code blocks."""
    return INLINE.findall(prose(text))


def links(text: str) -> list[str]:
    """The targets of links and pictures that are not addresses on the web."""
    return [link for link in LINK.findall(prose(text)) if not link.startswith("http")]


def anchors(path: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#+ (.*)$", prose(path.read_text()), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return set(found)
