"""The process that runs a trial: named so that another can tell later whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

WORKER = "worker"
"""The attribute of a trial that names its process."""

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """Names this process."""
    pid = os.getpid()
    found = _found(pid)
    return _here() | {"pid": pid, "started": found and found[1], "parent": os.getppid()}


def process_is_gone(worker: dict[str, Any] | None) -> bool:
    """Has the process that ran a trial ended, as far as can be told from here?"""
    if worker is None or process_is_elsewhere(worker):
        return False
    found = _found(worker["pid"])
    return found is None or found[0] == "Z" or found[1] != worker["started"]


def process_is_elsewhere(worker: dict[str, Any] | None) -> bool:
    """Is nothing known of the process here? It is on another machine, or in a container."""
    return worker is None or any(worker.get(key) != here for key, here in _here().items())


def _here() -> dict[str, str]:
    """Where processes have numbers of their own: containers may share their machine's name."""
    return {"host": socket.gethostname(), "numbers": str(Path("/proc/self/ns/pid").readlink())}


def _found(pid: int) -> tuple[str, str] | None:
    """A process's state, and when it began: in ticks since which boot, for clocks can be set."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # behind the name, which may have spaces
    boot = BOOT_ID_FILE.read_text().strip() if BOOT_ID_FILE.exists() else ""
    return fields[0], f"{boot} {fields[19]}"
