"""An evaluation: which task's inputs went where, and how wrong the answers are that stay when the
strangest are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cfedge.plot.figure import GREY, drawing

if TYPE_CHECKING:
    from cfedge.train.measures.metrics import Scores
    from cfedge.train.measures.open_set import OpenSet

__all__ = ["draw_scores"]

#: Tasks up to which a cell has room for its count.
_COUNTED = 20


def draw_scores(scores: Scores) -> Figure:
    """Draw true task against task found, and, where inputs of no task were given, risk over
    coverage.
    """
    side = max(3.4, 0.34 * len(scores.tasks) + 2.2)
    with drawing(side + (4.2 if scores.unknown else 0.6), side) as figure:
        if scores.unknown:
            left, right = figure.subplots(1, 2, width_ratios=[side, 3.6])
            _draw_risk(right, scores.unknown)
        else:
            left = figure.subplots()
        _draw_confusion(left, scores)
    return figure


def _draw_confusion(axes: Axes, scores: Scores) -> None:
    names = [one.task for one in scores.tasks]
    counts = np.array(scores.confusion, np.int64)
    columns = [*names, "another task"] if counts[:, -1].any() else names
    counts = counts[:, : len(columns)]
    wrong = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(wrong, 0.0)
    most = max(0.02, float(wrong.max()))
    # "none" writes a cell as one point into an SVG or PDF: of 200 tasks it would be 130 megapixels.
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=most, interpolation="none")
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xlabel="task found",
        ylabel="true task",
        title=f"task identification {scores.task_identification:.1%}, accuracy {scores.accuracy:.1%}",
    )
    if len(columns) <= _COUNTED:
        for row, column in zip(*counts.nonzero(), strict=True):
            colour = (
                GREY if row == column else "white" if wrong[row, column] > most / 2 else "black"
            )
            axes.annotate(
                str(counts[row, column]),
                (float(column), float(row)),
                ha="center",
                va="center",
                fontsize=7.5,
                color=colour,
            )


def _draw_risk(axes: Axes, unknown: OpenSet) -> None:
    axes.plot(
        unknown.risk_coverage.coverage, unknown.risk_coverage.risk, color="#0072B2", linewidth=1.8
    )
    axes.set(
        xlabel="answers that are kept, the most familiar first",
        ylabel="of these, wrong",
        xlim=(0, 1),
    )
    axes.set_ylim(bottom=0)
    axes.set_title(f"inputs of no task among them: AUROC {unknown.detection.auroc:.3f}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
