"""python -m studies dashboard: look at a storage in the browser."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fmnist_model.command_line import new_app, run
from search.defaults import DEFAULT_URL

app = new_app("Look at what the searches found.")


@app.callback()
def main() -> None:
    """Look at what the searches found."""


@app.command()
def dashboard(
    storage: Annotated[str, typer.Option(help="The database, as a URL.")] = DEFAULT_URL,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve optuna-dashboard for the storage, to this machine alone."""
    from studies.dashboard import serve

    try:
        serve(storage, port, lambda line: print(line, flush=True), host)
    except KeyboardInterrupt:
        print("\ndashboard stopped")
        sys.exit(0)


if __name__ == "__main__":
    run(app)
