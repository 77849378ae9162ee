"""One judgement, and how it says what was tried, versions and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cfedge import errors
from cfedge.doctor.child import Trial

__all__ = ["Check", "Status", "dotted", "how_it_ended", "mb", "runs"]


Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One judgement: what was found, what is expected, and what to do where it is not ok."""

    name: str
    status: Status
    found: str
    expected: str
    next: str | None = None


def how_it_ended(trial: Trial) -> str:
    """Return how the child process ended."""
    how = trial.how or "stopped"
    kind, _, said = how.partition(": ")
    if said and hasattr(errors, kind):  # our own, which says what was expected
        return f"was refused: {said}"
    return how if how.startswith(("died", "did", "ended", "could")) else f"raised {how}"


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def mb(size_bytes: int | None) -> str:
    """Return a size in MB."""
    return f"{(size_bytes or 0) / 1e6:,.0f} MB".replace(",", " ")


def runs(trial: Trial) -> bool:
    """Whether ONNX Runtime was imported in the child process."""
    return "onnxruntime" in trial.done
