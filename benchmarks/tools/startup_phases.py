"""One search for one trial, which records when each of its phases begins.

    python -m benchmarks.tools.startup_phases PRESET OUT.json

The database is new, so that there is a trial to make.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil


def main(preset: str, out: str) -> None:
    """Search for one trial; write the seconds of each phase to the file `out`."""
    marks = {"": psutil.Process().create_time()}
    mark = partial(_mark, marks)

    from benchmarks.standins.replay import quiet
    from fmnist_model.utils.native_log import native_log_hidden
    from fmnist_model.utils.paths import ProjectPaths
    from search.execution.engines import load_data
    from search.execution.job import SearchJob
    from search.execution.runner import run_search
    from search.presets.files import load_preset

    mark("imports")

    def load(job: SearchJob, study: Any, progress: Any) -> Any:
        images = load_data(job, study, progress)
        mark("data")
        with native_log_hidden():
            from fmnist_model.tensorflow_engine.engine import TensorFlowEngine

            engine = TensorFlowEngine(*images)
        mark("TensorFlow")
        return engine

    paths = ProjectPaths(Path())
    paths.results.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{paths.results}/phases.db"
    asked = load_preset(preset, paths.presets)
    run_search(SearchJob(asked, "phases", url, 1, data_home=paths.data), quiet(), load=load)
    mark("first trial")
    ends = list(marks.values())
    taken = {
        name: end - start
        for name, start, end in zip(list(marks)[1:], ends[:-1], ends[1:], strict=True)
    }
    Path(out).write_text(json.dumps(taken))


def _mark(marks: dict[str, float], name: str) -> None:
    marks[name] = time.time()


if __name__ == "__main__":
    main(*sys.argv[1:])
