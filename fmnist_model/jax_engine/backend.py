"""Chooses Keras's backend, which has to be done before Keras is first imported."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from fmnist_model.utils import Remedy, UserError


def jax_is_installed() -> bool:
    """Is it there? Nothing is imported."""
    return find_spec("jax") is not None


def use_jax() -> None:
    """Make Keras run on JAX in this process.

    Raises UserError where JAX is not installed, and RuntimeError where it is too late.
    """
    if not jax_is_installed():
        problem = "the population engine needs JAX, which is not installed"
        raise UserError(problem, Remedy.INSTALL_JAX)
    if "keras" in sys.modules and os.environ.get("KERAS_BACKEND") != "jax":
        raise RuntimeError("Keras has been imported already, with another backend than JAX")
    os.environ["KERAS_BACKEND"] = "jax"
    _use_gpus_politely()


def keep_programs(folder: Path) -> None:
    """Let JAX keep what it compiles for a GPU, so that the next process finds it and rounds alike.

    What is compiled for a CPU it does not keep: that takes seconds.
    """
    import jax

    if jax.default_backend() != "cpu":
        jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))


def jax_sees_a_gpu() -> bool:
    """Has JAX something better than a CPU here? Without a plugin for one nothing is imported."""
    if not jax_is_installed() or find_spec("jax_plugins") is None:
        return False
    _use_gpus_politely()
    import jax

    return bool(jax.default_backend() != "cpu")


def _use_gpus_politely() -> None:
    """Let GPU memory grow as needed; JAX reads this when it first looks for devices."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
