"""The versions that a result depends on."""

from __future__ import annotations

import platform

import numpy as np

from fmnist_model.utils import package_versions


def test_what_is_installed_has_its_version_and_what_is_not_is_left_out(monkeypatch):
    monkeypatch.setattr(package_versions, "PACKAGES", ("numpy", "no-such-package"))
    found = package_versions.versions()
    assert found == {"python": platform.python_version(), "numpy": np.__version__}
