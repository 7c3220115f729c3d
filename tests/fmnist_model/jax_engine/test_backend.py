"""Choosing Keras's backend, and what JAX keeps of the programs that it compiles."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fmnist_model.jax_engine import backend
from fmnist_model.utils.errors import UserError
from search.console.remedies import SEARCH_REMEDIES
from tests.conftest import ROOT

needs_jax = pytest.mark.skipif(
    not backend.jax_is_installed(), reason="the extra jax is not installed"
)


@needs_jax
def test_what_is_compiled_for_a_gpu_is_kept(tmp_path):
    """For a CPU it is not. That the backend is a GPU is all that is pretended here."""
    code = (
        "import sys, jax; from pathlib import Path; from fmnist_model.jax_engine import backend\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)\n"
        "folder = Path(sys.argv[1])\n"
        "backend.keep_programs(folder)\n"
        "jax.jit(lambda x: x + 1)(1.0)\n"
        "assert not folder.exists()\n"
        "jax.default_backend = lambda: 'gpu'\n"
        "backend.keep_programs(folder)\n"
        "jax.jit(lambda x: x + 2)(1.0)\n"
        "assert list(folder.iterdir())"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "new"], cwd=ROOT, check=True)


def test_without_jax_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="install the extra jax") as raised:
        backend.use_jax()
    assert "-e '.[jax]'" in raised.value.worded(SEARCH_REMEDIES)


@needs_jax
def test_the_backend_of_a_process_is_not_changed():
    import keras

    assert keras.config.backend() == "tensorflow"
    with pytest.raises(RuntimeError, match="imported already"):
        backend.use_jax()
