"""The process that runs a trial: named so that another can tell later whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.study.record_values import mapping, text, whole

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of some machine.

    `host` is the machine's name, and `numbers` its PID namespace, for containers may share their
    machine's name. `started` says when the process began (see `process_is_gone`), because process
    ids are used again. `parent` is the id of the process that started it.
    """

    host: str
    numbers: str | None
    pid: int
    started: str | None
    parent: int | None

    def to_dict(self) -> dict[str, Any]:
        """The identity as plain values, ready for JSON."""
        return asdict(self)


def read_process(value: Any) -> ProcessIdentity | None:
    """The reverse of `ProcessIdentity.to_dict`; None for what names no process."""
    kept = mapping(value) or {}
    host, pid = text(kept.get("host")), whole(kept.get("pid"))
    if host is None or pid is None:
        return None
    numbers, started = text(kept.get("numbers")), text(kept.get("started"))
    return ProcessIdentity(host, numbers, pid, started, whole(kept.get("parent")))


def this_process() -> ProcessIdentity:
    """The identity of this process."""
    pid = os.getpid()
    status = _read_status(pid)
    return ProcessIdentity(*_this_place(), pid, status and status[1], os.getppid())


def process_is_gone(worker: ProcessIdentity | None) -> bool:
    """Has the process that ran a trial ended, as far as can be told from here?"""
    if worker is None or process_is_elsewhere(worker):
        return False
    status = _read_status(worker.pid)
    return status is None or status[0] == "Z" or status[1] != worker.started


def process_is_elsewhere(worker: ProcessIdentity | None) -> bool:
    """Can nothing be told of the process from here? It is on another machine, in a container, or
    not known at all."""
    return worker is None or (worker.host, worker.numbers) != _this_place()


def _this_place() -> tuple[str, str]:
    """The machine, and the PID namespace within which process ids are unique."""
    return socket.gethostname(), str(Path("/proc/self/ns/pid").readlink())


def _read_status(pid: int) -> tuple[str, str] | None:
    """A process's state, and when it began: in clock ticks since which boot, for clocks can be set.

    None where there is no such process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # behind the name, which may have spaces
    boot = BOOT_ID_FILE.read_text().strip() if BOOT_ID_FILE.exists() else ""
    return fields[0], f"{boot} {fields[19]}"
