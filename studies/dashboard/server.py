"""Serves optuna-dashboard to this machine alone."""

from __future__ import annotations

from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna

from fmnist_model.utils import Remedy, UserError
from search.storage import open_read_only, open_storage, storage_errors_explained, without_password
from studies.dashboard.annotations import Say, WordingFor, annotate_all, artifact_store
from studies.report import as_python

HOST = "127.0.0.1"
"""The dashboard has no login, and its pages can delete studies: it listens on loopback
unless told otherwise."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(
    url: str,
    port: int,
    artifacts: Path,
    announce: Say,
    host: str = HOST,
    wording_for: WordingFor = lambda _: as_python,
) -> None:
    """Serve until interrupted; raise UserError where there is no database or no free port.

    Training curves are kept in the folder `artifacts`. `wording_for` says how the commands in the
    notes read.
    """
    open_read_only(url)  # an error where it does not exist, instead of an empty database
    import optuna_dashboard

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url)
    store = artifact_store(artifacts)
    with storage_errors_explained(url):
        annotate_all(storage, store, announce, wording_for)
    app = optuna_dashboard.wsgi(storage, artifact_store=store)
    try:
        server = make_server(host, port, app, handler_class=_Quiet)
    except OSError as error:
        problem = f"port {port} on {host} cannot be used ({error.strerror})"
        raise UserError(problem, Remedy.TAKE_OTHER_PORT) from error
    with server:
        if host != HOST:
            announce(
                f"warning: there is no login: whoever reaches {host}:{port} can see and delete "
                f"every study"
            )
        announce(f"dashboard of {without_password(url)} at http://{host}:{port}/ (Ctrl-C ends it)")
        server.serve_forever()
