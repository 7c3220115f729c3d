"""The download: once, whole or not at all, and one sentence where there is no source."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fmnist_model.dataset.fashion_mnist import load_train
from tests.conftest import DATA, PATHS


def test_data_that_cannot_be_fetched_is_one_sentence(command, monkeypatch):
    """Neither source within reach: no apt-get on the PATH, and a proxy where nobody listens.

    In a process of its own, for urllib keeps the proxies of its first request for good.
    """
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    done = command("fmnist_model", "data")
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert "Keras's download: " in message
    assert "Debian's package: apt-get and dpkg are not on this machine" in message
    assert "DATA=" in message
    assert [path.name for path in Path("data").iterdir()] == [".fetching"]  # the lock stays


@pytest.mark.slow
def test_a_killed_download_leaves_nothing_half_made(project):
    """Killed at several moments, seconds apart; what is there afterwards is absent or whole."""
    place = project / "data" / "fashion-mnist"
    for seconds in (0.5, 2.5, 4.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "fmnist_model", "data"], stdout=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not place.exists() or len(list(place.iterdir())) == 4
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_model", "data"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "48,000 to train on and 12,000 to validate on" in done.stdout
    assert "not the original" not in done.stdout
    assert len(list(place.iterdir())) == 4


FETCH = """
import sys
from pathlib import Path
from fmnist_model.dataset import download, fashion_mnist
download.KERAS_COPY = sys.argv[1]
fashion_mnist.load_train(None, print, Path("data"))
"""


def test_two_that_begin_together_fetch_it_once(project):
    """Both have it whole in the end, and one of them fetched it (here from files)."""
    command = [sys.executable, "-c", FETCH, f"{DATA.resolve().as_uri()}/"]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert sum("fetching Fashion-MNIST as Keras does" in words for words in said) == 1
    assert not any("not the original" in words for words in said)
    found = {path.name for path in Path("data").iterdir()}
    assert found == {".fetching", "cache", "fashion-mnist"}
    assert load_train(data_home=PATHS.data).sha256 == load_train(DATA).sha256
