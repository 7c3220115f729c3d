"""Serves optuna-dashboard, by default to this machine only."""

from __future__ import annotations

from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna

from fmnist_model.utils import Remedy, UserError
from search.storage import open_read_only, open_storage, storage_errors_explained, without_password
from studies.dashboard.annotations import Say, WordingFor, annotate_all, artifact_store
from studies.report import as_python

HOST = "127.0.0.1"
"""The default address, which only this machine can reach, because the dashboard has no login and
its pages can delete studies."""


class _SilentRequestHandler(WSGIRequestHandler):
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
    """Serve the dashboard until it is interrupted.

    Args:
        url: The URL of the database; its studies get notes and curves first.
        port: The port to listen on.
        artifacts: The folder in which training curves are kept.
        announce: Called with each message.
        host: The address to listen on.
        wording_for: Returns how to word the commands in the notes of the study of a given name.

    Raises:
        UserError: There is no such database, or the port cannot be used.
    """
    open_read_only(url)  # raises if it does not exist, where open_storage would create an empty one
    import optuna_dashboard

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url)
    store = artifact_store(artifacts)
    with storage_errors_explained(url):
        annotate_all(storage, store, announce, wording_for)
    app = optuna_dashboard.wsgi(storage, artifact_store=store)
    try:
        server = make_server(host, port, app, handler_class=_SilentRequestHandler)
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
