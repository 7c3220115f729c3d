"""python -m studies report | paper | dashboard: look at what the searches found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fmnist_model.utils.cli import new_app, run
from search.presets.defaults import DEFAULT_URL

app = new_app("Look at what the searches found.")

StorageOption = Annotated[
    str, typer.Option("--storage", envvar="STORAGE", help="The database, as a URL.")
]


def _say(line: str) -> None:
    print(line, flush=True)


@app.command()
def report(
    study: Annotated[
        str, typer.Option(help="A preset: a name in studies/, or a .toml file.")
    ] = "paper",
    name: Annotated[
        str | None, typer.Option(help="The study's name.  [default: the preset's]")
    ] = None,
    storage: StorageOption = DEFAULT_URL,
    copies: Annotated[bool, typer.Option(help="Also write the figures one by one.")] = True,
) -> None:
    """Write a study's report.html, its figures, and its trials as CSV and Parquet."""
    from search.presets.files import study_name
    from studies.report.write import write_report

    given = {"STUDY": study, "NAME": name, "STORAGE": storage}
    written = write_report(study_name(study, name), storage, _say, copies, given)
    kept = [written.csv.name, written.parquet.name]
    if written.figures is not None:
        kept.append(f"{written.figures.name}/")
    _say(f"{written.page} written, and beside it {', '.join(kept)}; open it in a browser")


@app.command()
def paper(
    storage: StorageOption = DEFAULT_URL,
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
    """Train the paper's arms, judge them, and write paper.html; run again to go on."""
    from studies.paper.run import compare
    from studies.paper.write import write_paper

    try:
        if not draw_only:
            compare(storage, seeds, limit, data, _say)
    except KeyboardInterrupt:
        print(
            "interrupted; run the same command again to go on (python -m studies paper --draw-only "
            "draws what there is)",
            file=sys.stderr,
        )
        sys.exit(130)
    _say(f"{write_paper(storage, limit, _say)} written; open it in a browser")


@app.command()
def dashboard(
    storage: StorageOption = DEFAULT_URL,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve optuna-dashboard for the storage, to this machine alone."""
    from studies.dashboard.server import serve

    try:
        serve(storage, port, _say, host)
    except KeyboardInterrupt:
        print("\ndashboard stopped")
        sys.exit(0)


if __name__ == "__main__":
    run(app)
