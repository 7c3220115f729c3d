"""Draws the paper's other figures: the split, the arms side by side, learning rates, frozen losses
and activations.

For each figure there is a function that returns its data and one that draws it, except for the
split, whose data are constants.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fmnist_model.diagnosis import frozen_loss
from studies.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, styled
from studies.paper import arms
from studies.paper.arm_figures import mean_and_interval
from studies.paper.arms import ARMS, DROPOUT, PAPER_RATE, RELU
from studies.paper.published import PUBLISHED

COLOURS = dict(zip(ARMS, (GREEN, ORANGE, PURPLE, BLUE, SKY), strict=True))
PAPER_MARKER = {"symbol": "triangle-up", "size": 14}
DOT_OFFSET = 0.007
"""Runs are drawn this much to the left of their learning rate, where their mean is drawn."""


def final_data(runs: pd.DataFrame, measure: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figure 6: two tables, of the runs (arm, seed, value) and of the arms (arm, mean, low, high,
    seeds).

    Both are in the order of ARMS; runs without the measure are left out.
    """
    order = list(ARMS)
    known = runs.dropna(subset=[measure]).assign(value=lambda table: table[measure])
    known = known.sort_values("arm", key=lambda column: column.map(order.index), kind="stable")
    means = mean_and_interval(known, "arm", "value").sort_values(
        "arm", key=lambda c: c.map(order.index)
    )
    return known[["arm", "seed", "value"]], means


def draw_final(
    points: pd.DataFrame, means: pd.DataFrame, measure: str, published: str
) -> go.Figure:
    """The arms side by side: a dot for each seed, the mean with its interval, the paper's value.

    `measure` is "loss" or "accuracy"; `published` is the field of `Published` whose last epoch is
    shown.
    """
    figure = go.Figure()
    for arm in means["arm"]:
        rows = means[means["arm"] == arm]
        values = points.loc[points["arm"] == arm, "value"]
        figure.add_scatter(
            x=values,
            y=[arm] * len(values),
            mode="markers",
            marker={"color": COLOURS[arm], "size": 8, "opacity": 0.45},
            hovertemplate=f"{arm}: %{{x:.4f}}<extra></extra>",
        )
        figure.add_scatter(
            x=rows["mean"],
            y=rows["arm"],
            customdata=rows["seeds"],
            error_x=_error(rows) | {"color": COLOURS[arm]},
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 20, "color": COLOURS[arm]},
            hovertemplate="%{y}: mean %{x:.4f}, n = %{customdata}<extra></extra>",
        )
    printed = {arm: getattr(PUBLISHED[arm], published)[-1] for arm in PUBLISHED}
    figure.add_scatter(
        x=list(printed.values()),
        y=list(printed),
        mode="markers",
        marker={"symbol": "triangle-up-open", "size": 13, "color": GREY, "line": {"width": 2}},
        hovertemplate="%{y}, the paper's: %{x:.4f}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title=measure, rangemode="tozero")
    if measure == "accuracy":
        figure.update_xaxes(range=[0, 1])
    return styled(figure, 360, legend=False)


def _error(means: pd.DataFrame) -> dict[str, object]:
    """Plotly's error bars from the columns mean, low and high."""
    return {
        "array": means["high"] - means["mean"],
        "arrayminus": means["mean"] - means["low"],
        "symmetric": False,
        "thickness": 2,
        "width": 6,
    }


class RateCurve(NamedTuple):
    """The validation accuracy of an arm over learning rates.

    `points` has a row for each run, with learning_rate, seed and val_accuracy; `means` has a row
    for each rate, with learning_rate, mean, low and high (the 95 % interval over seeds) and seeds.
    """

    arm: str
    points: pd.DataFrame
    means: pd.DataFrame


def rates_data(runs: pd.DataFrame, arm: str) -> RateCurve:
    """The runs of one arm at all rates at which it has been trained."""
    rows = runs[runs["arm"] == arm].sort_values(["learning_rate", "seed"])
    means = mean_and_interval(rows, "learning_rate", "val_accuracy")
    return RateCurve(arm, rows[["learning_rate", "seed", "val_accuracy"]], means)


def draw_rates(data: RateCurve) -> go.Figure:
    """A dot for each seed, the means with 95 % intervals, and a dotted line at the paper's rate."""
    colour = COLOURS[data.arm]
    figure = go.Figure()
    figure.add_vline(
        x=PAPER_RATE,
        line={"color": GREY, "dash": "dot"},
        annotation={"text": "the paper's", "font": {"color": GREY}},
        annotation_position="bottom right",
    )
    figure.add_scatter(
        x=data.points["learning_rate"] - DOT_OFFSET,
        y=data.points["val_accuracy"],
        customdata=data.points[["learning_rate", "seed"]],
        mode="markers",
        marker={"color": colour, "opacity": 0.5, "size": 7},
        hovertemplate="rate %{customdata[0]}, seed %{customdata[1]}: %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=data.means["learning_rate"],
        y=data.means["mean"],
        customdata=data.means[["low", "high", "seeds"]],
        error_y=_error(data.means),
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 10, "symbol": "diamond"},
        hovertemplate=(
            "rate %{x}: mean %{y:.4f}<br>%{customdata[0]:.4f} to %{customdata[1]:.4f}, "
            "n = %{customdata[2]}<extra></extra>"
        ),
    )
    rates = sorted(arms.PAPER_RATES)
    pad = 0.1 * (rates[-1] - rates[0])
    figure.update_xaxes(
        title="learning rate", tickvals=rates, range=[rates[0] - pad, rates[-1] + pad]
    )
    figure.update_yaxes(title="validation accuracy")
    return styled(figure, 360, legend=False)


def frozen_levels() -> dict[int, float]:
    """The loss of a frozen network by its number of saturated outputs, 1 to 10, if all classes are
    equally frequent."""
    images = 10
    return {
        k: frozen_loss(tuple(images if n == k else 0 for n in range(11)), k) for k in range(1, 11)
    }


def levels_data(runs: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The final losses of the arms with a ReLU output, with the columns arm, seed, loss, k, height.

    k is the number of saturated outputs whose closed-form loss is nearest. `height` numbers the
    runs with the same k from 1, so that they are drawn on top of each other.
    """
    levels = frozen_levels()
    frozen = runs[runs["arm"].isin([RELU, DROPOUT]) & runs[measure].notna()]
    k = frozen[measure].map(lambda loss: min(levels, key=lambda k: abs(levels[k] - loss)))
    frozen = frozen.assign(loss=frozen[measure], k=k, height=frozen.groupby(k).cumcount() + 1)
    return frozen[["arm", "seed", "loss", "k", "height"]]


def draw_levels(data: pd.DataFrame) -> go.Figure:
    """A mark for each run at its final loss, and lines at the closed-form losses."""
    figure = go.Figure()
    for k, level in frozen_levels().items():
        figure.add_vline(x=level, line={"color": GREY, "width": 1, "dash": "dot"})
        _above(figure, level, str(k))
    _above(figure, 0.4, "k =")
    for arm, symbol in ((RELU, "circle"), (DROPOUT, "square")):
        rows = data[data["arm"] == arm]
        figure.add_scatter(
            x=rows["loss"],
            y=rows["height"],
            customdata=rows[["seed", "k"]],
            mode="markers",
            name=f"{arm}, ours ({len(rows)} seeds)",
            marker={"color": COLOURS[arm], "size": 13, "symbol": symbol},
            hovertemplate="seed %{customdata[0]}: %{x:.4f}, k = %{customdata[1]}<extra></extra>",
        )
        figure.add_scatter(
            x=[PUBLISHED[arm].loss[0]],
            y=[0],
            mode="markers",
            name=f"the paper's figure {PUBLISHED[arm].figure}: {PUBLISHED[arm].loss[0]}",
            marker=PAPER_MARKER | {"color": COLOURS[arm]},
            hovertemplate="%{x}<extra></extra>",
        )
    highest = 1 if data.empty else data["height"].max()
    figure.update_xaxes(title="loss after the last epoch", range=[0, 15.5])
    figure.update_yaxes(title="runs", dtick=1, range=[-0.5, highest + 0.7])
    return styled(figure, 400).update_layout(margin={"t": 60}, legend={"y": 1.1})


def _above(figure: go.Figure, x: float, text: str) -> None:
    figure.add_annotation(text=text, x=x, y=1, yref="paper", yanchor="bottom", showarrow=False)


def draw_split() -> go.Figure:
    """Figure 1: how many images are used for training, validation and test."""
    parts = {"training": (48_000, BLUE), "validation": (12_000, GREEN), "test": (10_000, ORANGE)}
    figure = go.Figure(
        [
            go.Bar(
                y=[""],
                x=[count],
                name=f"{name} {count:,}",
                orientation="h",
                marker={"color": colour},
                hovertemplate=f"{name}: {count:,} images<extra></extra>",
            )
            for name, (count, colour) in parts.items()
        ]
    )
    figure.update_layout(barmode="stack", bargap=0.1)
    figure.update_xaxes(title="images", tickformat=",", nticks=5)
    return styled(figure, 220)


def activations_data() -> dict[str, pd.DataFrame]:
    """Figure 7: each activation function, with the columns x, function and derivative.

    ReLU has no derivative at zero, so that its curve has a gap there.
    """
    x = np.linspace(-6, 6, 241)
    sigmoid = 1 / (1 + np.exp(-x))
    shapes = {
        "sigmoid": (sigmoid, sigmoid * (1 - sigmoid)),
        "ReLU": (np.maximum(x, 0), np.where(np.isclose(x, 0), np.nan, x > 0)),
        "tanh": (np.tanh(x), 1 - np.tanh(x) ** 2),
    }
    return {
        name: pd.DataFrame({"x": x, "function": values, "derivative": slopes})
        for name, (values, slopes) in shapes.items()
    }


def draw_activations(data: dict[str, pd.DataFrame], which: str) -> go.Figure:
    """Draw the functions or their derivatives; `which` is "function" or "derivative"."""
    styles = {"sigmoid": (BLUE, "solid"), "ReLU": (ORANGE, "solid"), "tanh": (GREEN, "dash")}
    figure = go.Figure()
    for name, curve in data.items():
        colour, dash = styles[name]
        figure.add_scatter(
            x=curve["x"],
            y=curve[which],
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate=f"{name}(%{{x:.2f}}): %{{y:.3f}}<extra></extra>",
        )
    figure.update_xaxes(title="input")
    figure.update_yaxes(title=which, range=[-1.2, 3] if which == "function" else [-0.1, 1.1])
    return styled(figure, 340)
