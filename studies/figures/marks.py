"""The marks of trials in figures, and the texts that appear when the pointer is on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from fmnist_model.hyperparameters import shown
from studies.figures.theme import MARKS
from studies.figures.trial_frame import BUDGET_COLUMNS, MEASURE_COLUMNS, OUTCOME_COLUMNS

ACCURACY = "validation accuracy"


def hyperparameters(table: pd.DataFrame) -> list[str]:
    """The columns of the table that are hyperparameters."""
    others = {"trial", *OUTCOME_COLUMNS, *BUDGET_COLUMNS, *MEASURE_COLUMNS}
    return [name for name in table.columns if name not in others]


def interval_bars(means: pd.DataFrame) -> dict[str, Any]:
    """Plotly's description of bars from `low` to `high`, columns of the table beside `mean`."""
    above, below = means["high"] - means["mean"], means["mean"] - means["low"]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def hover(table: pd.DataFrame, names: Sequence[str] | None = None) -> list[str]:
    """The text of each trial: how it ended, and its hyperparameters: those in `names`, or all."""
    if names is None:
        names = hyperparameters(table)
    return [_hover_line(row, names) for row in table.to_dict("records")]


def _hover_line(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    value = "" if pd.isna(row["value"]) else f", {row['value']:.4f}"
    lines = [f"trial {row['trial']}: {row['ending']}{value}"]
    if not pd.isna(row.get("budget")):
        seed = f", seed {row['replicate']:.0f}" if row["role"] == "race" else ""
        lines.append(f"configuration {row['configuration']:.0f}, {row['role']}{seed}")
        lines.append(f"budget {row['budget']:.0f}")
    lines += [f"{name} {shown(row[name])}" for name in names if not pd.isna(row[name])]
    diagnosed = not any(pd.isna(row[name]) for name in ("kind", "layer", "since_step"))
    if row["ending"] == "stuck" and diagnosed:
        lines.append(f"{row['kind']} in {row['layer']} since step {row['since_step']:.0f}")
    return "<br>".join(lines)


def by_ending(points: pd.DataFrame, x: str, y: str, legend: bool = True) -> list[go.Scatter]:
    """A scatter trace for each ending.

    `x` and `y` name the columns of `points` to draw; `points` also has the columns ending and text.
    """
    traces = []
    for name, mark in MARKS.items():
        chosen = points[points["ending"] == name]
        if len(chosen):
            traces.append(
                go.Scatter(
                    x=chosen[x],
                    y=chosen[y],
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    showlegend=legend,
                    text=chosen["text"],
                    hovertemplate="%{text}<extra></extra>",
                    marker={
                        "color": mark.colour,
                        "symbol": mark.symbol,
                        "size": 8,
                        "line": {"width": 1.5 if mark.symbol.endswith("open") else 0},
                    },
                )
            )
    return traces
