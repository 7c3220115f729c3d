"""The paper's figures, redone: ours with an interval over seeds, its own numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fmnist_model.explain import frozen_loss
from fmnist_model.scores import interval
from studies.arms import ARMS, DROPOUT, RELU, SWEPT
from studies.published import PUBLISHED
from studies.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, styled

COLOURS = dict(zip(ARMS, (GREEN, ORANGE, PURPLE, BLUE, GREY), strict=True))


class Band(NamedTuple):
    """A curve with its interval: columns epoch, mean, low, high and seeds."""

    name: str
    colour: str
    dash: str
    points: pd.DataFrame


def band(curves: pd.DataFrame, measure: str, name: str, colour: str, dash: str = "solid") -> Band:
    """Mean and 95 % interval an epoch, over the seeds in `curves` (columns epoch, seed, ...)."""
    rows = []
    for epoch, values in curves.groupby("epoch")[measure]:
        found = interval(values.to_list(), highest=np.inf)
        mean = found["mean"]
        low, high = (mean if found[key] is None else found[key] for key in ("low", "high"))
        rows.append((epoch, mean, low, high, len(values)))
    return Band(
        name, colour, dash, pd.DataFrame(rows, columns=["epoch", "mean", "low", "high", "seeds"])
    )


def draw_bands(columns: Mapping[str, Sequence[Band]], from_zero: bool) -> go.Figure:
    """Curves with their bands, a panel a measure; a curve of one name has one legend entry."""
    figure = make_subplots(cols=len(columns), subplot_titles=list(columns), horizontal_spacing=0.1)
    shown: set[str] = set()
    for number, bands in enumerate(columns.values(), 1):
        for one in bands:
            _add_band(figure, one, number, one.name not in shown)
            shown.add(one.name)
    figure.update_xaxes(title="epoch", tick0=2, dtick=2)
    figure.update_yaxes(rangemode="tozero" if from_zero else "normal")
    return styled(figure, 380).update_layout(margin={"t": 70}, legend={"y": 1.1})


def _add_band(figure: go.Figure, one: Band, column: int, legend: bool) -> None:
    points = one.points
    if (points["high"] > points["low"]).any():
        figure.add_scatter(
            x=[*points["epoch"], *points["epoch"][::-1]],
            y=[*points["high"], *points["low"][::-1]],
            fill="toself",
            fillcolor=one.colour,
            opacity=0.18,
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=one.name,
            row=1,
            col=column,
        )
    figure.add_scatter(
        x=points["epoch"],
        y=points["mean"],
        customdata=points[["low", "high", "seeds"]],
        mode="lines+markers",
        name=one.name,
        legendgroup=one.name,
        showlegend=legend,
        line={"color": one.colour, "width": 2.2, "dash": one.dash},
        marker={"size": 5},
        hovertemplate=(
            f"{one.name}, epoch %{{x}}: %{{y:.4f}}<br>"
            "%{customdata[0]:.4f} to %{customdata[1]:.4f}, n = %{customdata[2]}<extra></extra>"
        ),
        row=1,
        col=column,
    )


def arm_columns(arm: str, honest: pd.DataFrame, leaky: pd.DataFrame) -> dict[str, list[Band]]:
    """Figures 2 to 5: loss and accuracy of an arm: ours, ours by the leaky protocol, theirs."""
    columns = {}
    for measure in ("loss", "accuracy"):
        bands = [
            band(honest, measure, "ours, training", SKY),
            band(honest, f"val_{measure}", "ours, validation", BLUE),
        ]
        if len(leaky):
            bands.append(band(leaky, measure, "ours, leaky: trained on the test set", ORANGE))
        if arm in PUBLISHED:
            bands += [
                _published(arm, measure, "paper, trained on the test set", "dash"),
                _published(arm, f"val_{measure}", "paper, validation", "dot"),
            ]
        columns[measure] = [one for one in bands if len(one.points)]
    return columns


def _published(arm: str, measure: str, name: str, dash: str) -> Band:
    values = pd.Series(getattr(PUBLISHED[arm], measure))
    points = pd.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})
    return Band(name, GREY, dash, points.assign(low=values, high=values, seeds=1))


def draw_seeds(curves: pd.DataFrame, arm: str) -> go.Figure:
    """Each seed's training loss, for arms that freeze: a mean of frozen losses tells nothing."""
    figure = go.Figure()
    for seed, own in curves.groupby("seed"):
        figure.add_scatter(
            x=own["epoch"],
            y=own["loss"],
            mode="lines+markers",
            name=f"seed {seed}",
            line={"color": ORANGE if arm == RELU else PURPLE, "width": 1.5},
            marker={"size": 4},
            hovertemplate=f"seed {seed}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    if arm in PUBLISHED:
        figure.add_hline(y=PUBLISHED[arm].loss[0], line={"color": GREY, "dash": "dash"})
        figure.add_annotation(
            text=f"the paper's {PUBLISHED[arm].loss[0]}",
            x=1,
            xref="paper",
            y=PUBLISHED[arm].loss[0],
            yshift=10,
            showarrow=False,
        )
    figure.update_xaxes(title="epoch", tick0=2, dtick=2)
    figure.update_yaxes(title="training loss", rangemode="tozero")
    return styled(figure, 340, legend=False)


def draw_final(runs: pd.DataFrame, measures: dict[str, str]) -> go.Figure:
    """Figure 6: the arms side by side, a dot a seed, the mean and its interval beside them.

    `measures` maps a column of `runs` to its title.
    """
    figure = make_subplots(
        cols=len(measures), subplot_titles=list(measures.values()), horizontal_spacing=0.12
    )
    for number, measure in enumerate(measures, 1):
        for arm in ARMS:
            values = runs.loc[runs["arm"] == arm, measure].dropna()
            if len(values):
                _add_dots(figure, arm, values, number)
    figure.update_yaxes(showticklabels=False, col=2)
    figure.update_yaxes(autorange="reversed")
    return styled(figure, 360, legend=False).update_layout(margin={"t": 40})


def _add_dots(figure: go.Figure, arm: str, values: pd.Series, column: int) -> None:
    found = interval(values.to_list(), highest=np.inf)
    figure.add_scatter(
        x=values,
        y=[arm] * len(values),
        mode="markers",
        marker={"color": COLOURS[arm], "size": 8, "opacity": 0.45},
        hovertemplate=f"{arm}: %{{x:.4f}}<extra></extra>",
        row=1,
        col=column,
    )
    if found["low"] is not None:
        half = {"array": [found["high"] - found["mean"]], "color": COLOURS[arm], "thickness": 2.5}
        figure.add_scatter(
            x=[found["mean"]],
            y=[arm],
            error_x=half | {"arrayminus": [found["mean"] - found["low"]], "symmetric": False},
            mode="markers",
            marker={"color": COLOURS[arm], "symbol": "line-ns-open", "size": 22},
            hovertemplate=f"{arm}: mean %{{x:.4f}}, n = {len(values)}<extra></extra>",
            row=1,
            col=column,
        )


def draw_rates(runs: pd.DataFrame) -> go.Figure:
    """Validation accuracy against the learning rate, a panel an arm."""
    figure = make_subplots(cols=len(SWEPT), subplot_titles=list(SWEPT), horizontal_spacing=0.12)
    for number, arm in enumerate(SWEPT, 1):
        own = runs[runs["arm"] == arm].sort_values("learning_rate")
        figure.add_scatter(
            x=own["learning_rate"],
            y=own["val_accuracy"],
            mode="markers",
            marker={"color": COLOURS[arm], "opacity": 0.4, "size": 7},
            hovertemplate="rate %{x}: %{y:.4f}<extra></extra>",
            row=1,
            col=number,
        )
        renamed = own.rename(columns={"learning_rate": "epoch"})
        _add_band(figure, band(renamed, "val_accuracy", arm, COLOURS[arm]), number, False)
    figure.update_xaxes(title="learning rate")
    figure.update_yaxes(title="validation accuracy", col=1)
    return styled(figure, 360, legend=False).update_layout(margin={"t": 40})


def frozen_levels() -> dict[int, float]:
    """The loss of k = 1 to 10 saturated outputs on images with equally frequent classes."""
    images = 10
    return {
        k: frozen_loss(tuple(images if n == k else 0 for n in range(11)), k) for k in range(1, 11)
    }


def draw_levels(runs: pd.DataFrame, measure: str) -> go.Figure:
    """Final losses of the arms with a ReLU output, a dot a run, against the closed-form levels."""
    levels = frozen_levels()
    frozen = runs[runs["arm"].isin([RELU, DROPOUT]) & runs[measure].notna()]
    nearest = frozen[measure].map(lambda loss: min(levels, key=lambda k: abs(levels[k] - loss)))
    frozen = frozen.assign(height=frozen.groupby(nearest).cumcount() + 1)
    figure = go.Figure()
    for k, level in levels.items():
        figure.add_vline(x=level, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(
            text=str(k), x=level, y=1, yref="paper", yanchor="bottom", showarrow=False
        )
    for arm in (RELU, DROPOUT):
        own = frozen[frozen["arm"] == arm]
        figure.add_scatter(
            x=own[measure],
            y=own["height"],
            customdata=own["seed"],
            mode="markers",
            name=f"{arm}, ours ({len(own)} seeds)",
            marker={"color": COLOURS[arm], "size": 13, "symbol": "circle"},
            hovertemplate="seed %{customdata}: %{x:.4f}<extra></extra>",
        )
        figure.add_scatter(
            x=[PUBLISHED[arm].loss[0]],
            y=[0],
            mode="markers",
            name=f"the paper's figure {PUBLISHED[arm].figure}: {PUBLISHED[arm].loss[0]}",
            marker={"color": COLOURS[arm], "symbol": "triangle-up", "size": 14},
            hovertemplate="%{x}<extra></extra>",
        )
    figure.update_xaxes(title="loss after the last epoch", range=[0, 15.5])
    figure.update_yaxes(title="runs", dtick=1, range=[-0.5, frozen["height"].max() + 0.7])
    return styled(figure, 400).update_layout(margin={"t": 100}, legend={"y": 1.12})


def draw_split() -> go.Figure:
    """Figure 1: which images are for what."""
    parts = {"train": (48_000, BLUE), "validation": (12_000, GREEN), "test": (10_000, ORANGE)}
    figure = go.Figure(
        [
            go.Bar(
                y=[""],
                x=[count],
                name=name,
                orientation="h",
                text=f"{name} {count:,}",
                textposition="inside",
                insidetextanchor="middle",
                marker={"color": colour},
                hovertemplate=f"{name}: {count:,} images<extra></extra>",
            )
            for name, (count, colour) in parts.items()
        ]
    )
    figure.update_layout(barmode="stack", bargap=0.1)
    figure.update_xaxes(title="images")
    return styled(figure, 150, legend=False)


def draw_activations() -> go.Figure:
    """Figure 7: the activation functions and their derivatives."""
    x = np.linspace(-6, 6, 241)
    sigmoid = 1 / (1 + np.exp(-x))
    shapes = {
        "sigmoid": (sigmoid, sigmoid * (1 - sigmoid), BLUE),
        "ReLU": (np.maximum(x, 0), (x > 0).astype(float), ORANGE),
        "tanh": (np.tanh(x), 1 - np.tanh(x) ** 2, GREEN),
    }
    figure = make_subplots(
        cols=2, subplot_titles=["function", "derivative"], horizontal_spacing=0.1
    )
    for name, (values, slopes, colour) in shapes.items():
        for column, curve in enumerate((values, slopes), 1):
            figure.add_scatter(
                x=x,
                y=curve,
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                line={"color": colour, "width": 2.5},
                row=1,
                col=column,
            )
    figure.update_yaxes(range=[-1.2, 3], col=1)
    figure.update_yaxes(range=[-0.1, 1.1], col=2)
    return styled(figure, 360).update_layout(margin={"t": 70}, legend={"y": 1.1})
