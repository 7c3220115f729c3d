"""Serves optuna-dashboard to this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna

from fmnist_model.utils.errors import UserError
from search.storage.connection import open_read_only, open_storage
from search.storage.errors import storage_errors_explained
from search.storage.url import without_password
from studies.dashboard.annotations import annotate_all, artifact_store

HOST = "127.0.0.1"
"""The dashboard has no login, and its pages can delete studies: it listens on loopback
unless told otherwise."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(url: str, port: int, announce: Callable[[str], None], host: str = HOST) -> None:
    """Serve until interrupted; raise UserError where there is no database or no free port."""
    open_read_only(url)  # an error where it does not exist, instead of an empty database
    import optuna_dashboard

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url)
    with storage_errors_explained(url):
        annotate_all(storage, announce)
    app = optuna_dashboard.wsgi(storage, artifact_store=artifact_store())
    try:
        server = make_server(host, port, app, handler_class=_Quiet)
    except OSError as error:
        raise UserError(
            f"port {port} on {host} cannot be used ({error.strerror}); take another with PORT="
        ) from error
    with server:
        if host != HOST:
            announce(
                f"warning: there is no login: whoever reaches {host}:{port} can see and delete "
                f"every study"
            )
        announce(f"dashboard of {without_password(url)} at http://{host}:{port}/ (Ctrl-C ends it)")
        server.serve_forever()
