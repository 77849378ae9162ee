"""Certificates: how often each task's held-out inputs went to another task, and the upper bound that
follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cfedge.plot.figure import GREY, drawing

__all__ = ["draw_certificates"]


def draw_certificates(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw, by task, held-out error and upper confidence bound, the highest bound on top.

    Parameters
    ----------
    rows
        As ``cfedge list --json`` prints them: task, errors, held_out, wrong_task_at_most, rival, rival_errors.
    """
    ordered = sorted(rows, key=lambda row: (row["wrong_task_at_most"], row["task"]))
    with drawing(8, 1.3 + 0.27 * max(1, len(ordered))) as figure:
        axes = figure.subplots()
        for place, row in enumerate(ordered):
            axes.plot(
                [0, row["wrong_task_at_most"]],
                [place, place],
                color="#b9d3e6",
                linewidth=6,
                solid_capstyle="butt",
                zorder=2,
            )
            axes.plot(
                row["errors"] / row["held_out"],
                place,
                "o",
                color="#0072B2",
                markersize=5,
                zorder=3,
                clip_on=False,
            )
            taken = f", {row['rival_errors']} to {row['rival']}" if row["rival_errors"] else ""
            axes.annotate(
                f"{row['errors']} of {row['held_out']}{taken}", (1.01, place), xycoords=("axes fraction", "data"), va="center",
                fontsize=7.5, color=GREY,
            )  # fmt: skip
        axes.set_yticks(range(len(ordered)), [row["task"] for row in ordered])
        axes.set(ylim=(-0.6, max(1, len(ordered)) - 0.4))
        axes.set_xlim(left=0)
        axes.set_xlabel(
            "inputs that go to another task: of the held-out ones (dot), limit for all tasks"
            " together (bar)"
        )
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=False, axis="y")
    return figure
