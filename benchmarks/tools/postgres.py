"""A private PostgreSQL server for tests and benchmarks, with a directory and socket of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CAREFREE = ("fsync=off",)
"""Settings for tests, which give up the safety of data in a crash of the machine for speed."""


def programs() -> Path | None:
    """The directory of the newest installed server's programs, or None."""
    places = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = shutil.which("initdb")
    places += [Path(found).resolve().parent] if found else []
    return max(places, key=str, default=None)


@contextmanager
def server(
    binaries: Path, settings: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server with these settings, and `environment` besides the current one; yield the
    directory of its socket."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(directory, user.pw_uid, user.pw_gid)
        data, log = f"{directory}/data", f"{directory}/log"
        initdb = [f"{binaries}/initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync"]
        control = [f"{binaries}/pg_ctl", "-D", data, "-w", "-l", log]
        all_settings = (*settings, "listen_addresses=", f"unix_socket_directories={directory}")
        options = " ".join(f"-c {setting}" for setting in (*all_settings, "max_connections=600"))
        _run(initdb)
        _run([*control, "-o", options, "start"], environment)
        try:
            yield directory
        finally:
            _run([*control, "-m", "immediate", "stop"])


def database(socket: str) -> str:
    """The URL of a new and empty database of the server."""
    import psycopg

    name = f"d{uuid.uuid4().hex}"
    where = f"host={socket} user=tester dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://tester:secret@/{name}?host={socket}"


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        _as_somebody(command),
        cwd="/tmp",
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, command


def _as_somebody(command: list[str]) -> list[str]:
    """The command, run as a user that PostgreSQL accepts."""
    if os.geteuid() != 0:
        return command
    return ["runuser", "-u", "postgres", "--", *command]
