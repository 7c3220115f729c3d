"""python -m studies report | paper | dashboard: look at what the searches found."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fmnist_model.utils import PATHS, Remedy, make_default_folder, new_app, run
from search.console import SEARCH_REMEDIES

if TYPE_CHECKING:
    from studies.report import Wording

app = new_app("Look at what the searches found.")

STUDIES_REMEDIES: Mapping[Remedy, str] = {
    Remedy.TAKE_OTHER_PORT: "{problem}; take another with PORT=",
    Remedy.TRAIN_ARMS: "{problem}; make paper trains them",
}

StorageOption = Annotated[
    str, typer.Option("--storage", envvar="STORAGE", help="The database, as a URL.")
]


def _say(line: str) -> None:
    print(line, flush=True)


def _as_make(given: Mapping[str, object]) -> Wording:
    """Commands as lines for a shell, with those variables of the Makefile that are given."""
    from search.console import make_command

    return lambda command: make_command(command.name, {**given, "TRIALS": command.trials})


@app.command()
def report(
    study: Annotated[
        str, typer.Option(help="A preset: a name in studies/, or a .toml file.")
    ] = "paper",
    name: Annotated[
        str | None, typer.Option(help="The study's name.  [default: the preset's]")
    ] = None,
    storage: StorageOption = PATHS.default_url,
    copies: Annotated[bool, typer.Option(help="Also write the figures one by one.")] = True,
) -> None:
    """Write a study's report.html, its figures, and its trials as CSV and Parquet."""
    from search.presets import study_name
    from studies.report import write_report

    given = {"STUDY": study, "NAME": name, "STORAGE": storage}
    wording = _as_make(given)
    written = write_report(study_name(study, name), storage, PATHS.results, _say, copies, wording)
    kept = [written.csv.name, written.parquet.name]
    if written.figures is not None:
        kept.append(f"{written.figures.name}/")
    _say(f"{written.page} written, and beside it {', '.join(kept)}; open it in a browser")


@app.command()
def paper(
    storage: StorageOption = PATHS.default_url,
    seeds: Annotated[
        int, typer.Option(min=2, help="How many seeds each arm is trained with.")
    ] = 10,
    limit: Annotated[
        int | None, typer.Option(min=10, help="So many training images, to try it out.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory of the IDX or CSV files.  [default: fetched]")
    ] = None,
    draw_only: Annotated[
        bool, typer.Option("--draw-only", help="Train nothing; draw what there is.")
    ] = False,
) -> None:
    """Train the paper's arms, evaluate them, and write paper.html; run again to go on."""
    from studies.paper import compare, comparison, write_paper

    question = comparison(PATHS, limit)
    draw = partial(write_paper, question, storage, _say, wording=_as_make({}))
    try:
        if not draw_only:
            make_default_folder(storage)
            compare(question, storage, seeds, data, _say, draw)
    except KeyboardInterrupt:
        print(
            "interrupted; run the same command again to go on (python -m studies paper --draw-only "
            "draws what there is)",
            file=sys.stderr,
        )
        sys.exit(130)
    _say(f"{draw()} written; open it in a browser")


@app.command()
def dashboard(
    storage: StorageOption = PATHS.default_url,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve optuna-dashboard for the storage, to this machine alone."""
    from studies.dashboard import serve

    try:
        serve(storage, port, PATHS.artifacts, _say, host, lambda name: _as_make({"STUDY": name}))
    except KeyboardInterrupt:
        print("\ndashboard stopped")
        sys.exit(0)


if __name__ == "__main__":
    run(app, {**SEARCH_REMEDIES, **STUDIES_REMEDIES})
