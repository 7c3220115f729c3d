"""Fetches the real Fashion-MNIST: Keras's copy where there is an open network, else Debian's."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from fmnist_model.dataset.formats import DataError
from fmnist_model.utils import Remedy, native_log_hidden

Say = Callable[[str], None]
"""Is called with a line for people about what happens."""

KERAS_COPY = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_PLACE = "usr/share/datasets/fashion-mnist"
DEBIAN_MEGABYTES = 31
NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
TIMEOUT_SECONDS = 20.0
SCRATCH = ".fetching-"


def silent(_message: str) -> None:
    """A `Say` that tells nobody."""


def obtain(directory: Path, check: Callable[[Path], None], say: Say) -> None:
    """Fetch the four files into `directory`, which appears only once `check` has passed them.

    Raises DataError, with both reasons, where neither source can be had.
    """
    home = directory.parent.resolve()
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".fetching").open("a") as lock:  # workers that begin together fetch it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _obtain(directory, home, check, say)


def _obtain(directory: Path, home: Path, check: Callable[[Path], None], say: Say) -> None:
    _remove_leftovers(home)
    reasons = []
    for name, fetch in (("Keras's download", _from_keras), ("Debian's package", _from_debian)):
        with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-", dir=home) as scratch:
            try:
                files = fetch(Path(scratch), say)
                check(files)
            except (DataError, OSError, subprocess.SubprocessError) as error:
                reasons.append(f"{name}: {_one_line(error)}")
                say(reasons[-1])
                continue
            if not directory.exists():  # another process may have been faster
                files.chmod(0o755)
                files.rename(directory)
            say(f"Fashion-MNIST is in {directory}")
            return
    problem = f"Fashion-MNIST could not be fetched ({'; '.join(reasons)})"
    raise DataError(problem, Remedy.GIVE_DATA, directory=directory)


def _remove_leftovers(home: Path) -> None:
    """Remove what fetches that were killed have left behind."""
    for scratch in home.glob(f"{SCRATCH}*"):
        if not psutil.pid_exists(int(scratch.name.removeprefix(SCRATCH).split("-")[0])):
            shutil.rmtree(scratch, ignore_errors=True)


def _from_keras(scratch: Path, say: Say) -> Path:
    say("fetching Fashion-MNIST as Keras does")
    with native_log_hidden():
        from keras.utils import get_file

    files = scratch / "files"
    files.mkdir()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        for name in NAMES:
            get_file(name, origin=KERAS_COPY + name, cache_dir=str(scratch), cache_subdir="files")
    except Exception as error:  # Keras raises a bare Exception for every network fault
        raise DataError(_one_line(error)) from error
    finally:
        socket.setdefaulttimeout(before)
    return files


def _from_debian(scratch: Path, say: Say) -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise DataError("apt-get and dpkg are not on this machine")
    say(f"fetching Debian's package {DEBIAN_PACKAGE} ({DEBIAN_MEGABYTES} MB)")
    try:
        _download_package([], scratch, say)
    except DataError:  # perhaps only the package lists are missing: keep some of our own
        say("reading Debian's package lists")
        own = ["-o", f"Dir::State::Lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch}"]
        (scratch / "lists" / "partial").mkdir(parents=True)
        (scratch / "archives" / "partial").mkdir(parents=True)
        _apt(["apt-get", *own, "-q", "update"], scratch)
        _download_package(own, scratch, say)
    package = next(scratch.glob("*.deb"))
    _apt(["dpkg", "-x", str(package), "unpacked"], scratch)
    files = scratch / "files"
    files.mkdir()
    for name in NAMES:
        shutil.copy(scratch / "unpacked" / DEBIAN_PLACE / name, files / name)
    return files


def _download_package(options: list[str], scratch: Path, say: Say) -> None:
    command = ["apt-get", *options, "-q", "download", DEBIAN_PACKAGE]
    _apt(command, scratch, waiting=lambda: say(_megabytes(scratch)))


def _megabytes(scratch: Path) -> str:
    done = sum(file.stat().st_size for file in scratch.glob(f"{DEBIAN_PACKAGE}*"))
    return f"fetching Debian's package {DEBIAN_PACKAGE}: {done / 1e6:.0f} of {DEBIAN_MEGABYTES} MB"


def _apt(command: list[str], scratch: Path, waiting: Callable[[], None] = lambda: None) -> None:
    with (scratch / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=scratch, stdout=log, stderr=subprocess.STDOUT)
        try:
            reported = time.monotonic()
            while process.poll() is None:
                time.sleep(0.05)
                if time.monotonic() - reported > 1:
                    waiting()
                    reported = time.monotonic()
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            log.seek(0)
            lines = [line for line in log.read().splitlines() if line.strip()]
            raise DataError(f"{' '.join(command[:1])}: {lines[-1] if lines else 'failed'}")


def _one_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
