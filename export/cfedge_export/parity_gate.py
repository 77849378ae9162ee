"""What may ship: a task passes where int8 is as good as float on its held-out examples.

A task fails where accuracy drops by more than `Gate.max_drop` points or the error ratio is above
`Gate.max_error_ratio`, beyond what chance explains: a paired sign test on the decisions that differ
must find int8 worse at the 5 % level (docs/decisions/0001-parity-gate.md). `Gate.strict` judges the
figures alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cfedge.counted import counted
from cfedge.errors import ParityError, UsageError
from cfedge_export.paired import SIGNIFICANT
from cfedge_export.parity import TaskParity

__all__ = ["Gate", "beyond", "check"]

#: torch and ONNX Runtime compute the same float32 graph: features differ by rounding only.
TORCH_COSINE = 0.9999


@dataclass(frozen=True)
class Gate:
    """Largest accepted accuracy drop, in points (1 point = 0.01), and int8 / float error ratio;
    `strict`: also by chance.

    Raises
    ------
    UsageError
        A limit is negative, not a number or beyond any use.
    """

    max_drop: float = 1.0
    max_error_ratio: float = 1.25
    strict: bool = False

    def __post_init__(self) -> None:
        for what, value, most in (
            ("drop", self.max_drop, 100.0),
            ("error ratio", self.max_error_ratio, 1e9),
        ):
            if (
                not 0 <= value <= most
            ):  # also where it is NaN, with which nothing would ever be refused
                raise UsageError(
                    f"{what}: expected a number from 0 to {most:g}, found {value}; 1 point and 1.25"
                    " are the defaults"
                )


def beyond(results: Sequence[TaskParity], gate: Gate) -> list[TaskParity]:
    """Return the tasks that lost more than the gate allows, whether or not chance explains it."""
    return [
        one
        for one in results
        if one.lost > one.won
        and (
            one.drop > gate.max_drop + 1e-9
            or one.error_ratio is None
            or one.error_ratio > gate.max_error_ratio + 1e-9
        )
    ]


def check(results: list[TaskParity], gate: Gate | None = None) -> None:
    """Pass or refuse.

    Raises
    ------
    ParityError
        Naming the first task that misses the gate and by how much.
    """
    gate = gate or Gate()
    for one in results:
        if one.cosine_torch_onnx is not None and one.cosine_torch_onnx < TORCH_COSINE:
            raise ParityError(
                f"task {one.task!r}: expected torch and ONNX float features to agree (cosine >="
                f" {TORCH_COSINE}), found {one.cosine_torch_onnx:.5f}; nothing was exported: report"
                " this with your versions of torch and onnxruntime"
            )
        if one.lost <= one.won or (one.p_value > SIGNIFICANT and not gate.strict):
            continue
        advice = (
            "nothing was exported: relax the gate (--drop, --max-error-ratio), or make a workspace"
            " anew with the layers that hurt left in float32 (cfedge init NEW --repair WS) and add"
            " the tasks to it"
        )
        seen = (
            f"on {counted(one.examples, 'held-out example')} ({one.lost} lost, {one.won} won, p ="
            f" {one.p_value:.3f})"
        )
        if one.drop > gate.max_drop + 1e-9:
            low, high = one.drop_interval
            raise ParityError(
                f"task {one.task!r}: expected an accuracy drop of at most {gate.max_drop:g} points,"
                f" found {one.drop:.2f} [{low:.2f}, {high:.2f}] {seen}; {advice}"
            )
        if one.error_ratio is None or one.error_ratio > gate.max_error_ratio + 1e-9:
            found = (
                "errors where float made none"
                if one.error_ratio is None
                else f"{one.error_ratio:.2f}"
            )
            raise ParityError(
                f"task {one.task!r}: expected an error ratio of at most {gate.max_error_ratio:g},"
                f" found {found} {seen}; {advice}"
            )
