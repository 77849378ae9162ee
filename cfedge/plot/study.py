"""A study: how accurate each model is while tasks come, and in the end, at what cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cfedge.counted import counted
from cfedge.plot.figure import GREY, drawing
from cfedge.study.results import CEILINGS, FLOORS, Measured, Study, recommended, summary

__all__ = ["draw_study", "so_far"]

#: Of the models that people ask about first (Okabe and Ito's palette, told apart by the
#: colour-blind too); others are grey.
_COLOURS = {
    "cfedge": "#0072B2", "proteus": "#D55E00", "random-features frozen": "#009E73", "LDA frozen": "#CC79A7", "epi": "#E69F00",
    "joint": "#000000", "task given": "#000000", "sequential": "#56B4E9",
}  # fmt: skip


def so_far(runs: Sequence[Measured]) -> NDArray[np.float64]:
    """Mean accuracy over the tasks learned so far, after each of them, mean over orders: float64
    [T]; [1] of what learned all at once.
    """
    matrices = np.array([run.matrix for run in runs], np.float64)  # [orders, learned, task]
    return np.array(
        [matrices[:, learned, : learned + 1].mean() for learned in range(matrices.shape[1])]
    )


def draw_study(study: Study) -> Figure:
    """Draw accuracy over the tasks learned so far, and beside it last accuracies with standard
    errors, passes and bytes.
    """
    rows = sorted(summary(study).items(), key=lambda item: item[1]["accuracy"])
    with drawing(10.5, 1.6 + 0.24 * len(rows)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
        _draw_curves(left, study, [model for model, _ in rows])
        _draw_ends(right, rows, recommended(study))
        orders = f"mean of {len(study.orders)} orders" if len(study.orders) > 1 else "one order"
        figure.suptitle(
            f"{counted(len(study.tasks), 'task')}, {counted(study.test_examples, 'test example')}, {orders}; dashed:"
            " not continual",
            fontsize=10,
        )
    return figure


def _draw_curves(axes: Axes, study: Study, models: Sequence[str]) -> None:
    tasks = np.arange(1, len(study.tasks) + 1)
    for model in models:
        values = so_far(study.runs[model])
        everywhere = values if len(values) == len(tasks) else np.full(len(tasks), values[-1])
        axes.plot(
            tasks, everywhere, "--" if model in CEILINGS or model in FLOORS else "-", label=model, color=_COLOURS.get(model, GREY),
            linewidth=2.4 if model == "cfedge" else 1.1, zorder=3 if model in _COLOURS else 2,
        )  # fmt: skip
    axes.set(
        xlabel="tasks learned", ylabel="mean accuracy on the tasks learned so far", xticks=tasks
    )


def _draw_ends(axes: Axes, rows: Sequence[tuple[str, dict[str, float]]], best: str | None) -> None:
    names = [f"{model} (recommended)" if model == best else model for model, _ in rows]
    axes.set_yticks(range(len(rows)), names)
    for place, (label, (model, row)) in enumerate(zip(axes.get_yticklabels(), rows, strict=True)):
        colour = _COLOURS.get(model, GREY)
        label.set(color=colour, fontweight="bold" if model == best else "normal")
        axes.errorbar(
            row["accuracy"], place, xerr=row["accuracy_error"], color=colour, capsize=2, markersize=5,
            fmt="D" if model in CEILINGS or model in FLOORS else "o",
        )  # fmt: skip
        large = row["task_bytes"] >= 1e6
        cost = (
            f"{row['passes']:.2f} passes, {row['task_bytes'] / (1e6 if large else 1e3):.0f}"
            f" {'MB' if large else 'kB'} a task"
        )
        axes.annotate(
            cost,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7.5,
            color=GREY,
        )
    axes.set(
        xlabel="last accuracy, per sample, with its standard error", ylim=(-0.6, len(rows) - 0.4)
    )
