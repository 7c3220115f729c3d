"""Where a project keeps its files. The caller says below which directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProjectPaths:
    """The places of a project below `root`; none of them is made here.

    A relative `root` gives relative paths: they mean what the current directory makes of them.
    """

    root: Path

    @property
    def data(self) -> Path:
        """The data home: Fashion-MNIST is fetched into it, decoded images are cached in it."""
        return self.root / "data"

    @property
    def presets(self) -> Path:
        """The presets, a TOML file each."""
        return self.root / "studies"

    @property
    def results(self) -> Path:
        """A folder for each study, with its report, exported configuration and evaluation."""
        return self.presets / "results"

    @property
    def artifacts(self) -> Path:
        """What the dashboard shows beside the trials: their training curves."""
        return self.results / "artifacts"

    @property
    def weights(self) -> Path:
        """The weights that longer runs go on from, of studies that are not in a SQLite file."""
        return self.results / "weights"

    @property
    def default_url(self) -> str:
        """The URL of the database of studies, a SQLite file beside their results."""
        return f"sqlite:///{self.results / 'studies.db'}"
