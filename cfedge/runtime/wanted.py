"""What is wanted beside the ordinary answer: so many of the likeliest answers, a set of answers that
holds the right one as often as asked. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cfedge.bundle.manifest import Task
from cfedge.calibration import COVERAGES, place_of
from cfedge.errors import UsageError

__all__ = ["Wanted", "wanted"]


class Wanted(NamedTuple):
    """Of one call.

    Attributes
    ----------
    top
        How many answers, the ordinary one among them; None: not asked.
    coverage
        Of the set of answers, one of `cfedge.calibration.COVERAGES`; None: not asked.
    limits
        Of each task, how small the probability of an answer in the set may be.
    """

    top: int | None
    coverage: float | None
    limits: list[float]


def wanted(
    tasks: Sequence[Task], given: int | None, top: int | None, coverage: float | None
) -> Wanted | None:
    """Return what is wanted; None: the ordinary answer alone.

    Parameters
    ----------
    tasks
        Of the bundle.
    given
        Position of the task, where it is known: the others need promise nothing then.
    top, coverage
        As asked. The least of `cfedge.calibration.COVERAGES` that is not below `coverage` is taken.

    Raises
    ------
    UsageError
        `top` is below 1; `coverage` is none that can be promised, or a task has fewer held-out
        examples than it takes.
    """
    if top is None and coverage is None:
        return None
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise UsageError(
            f"top: expected how many answers, 1 or more, found {top!r:.40}; give a whole number"
        )
    if coverage is None:
        return Wanted(top, None, [])
    place = next((at for at, one in enumerate(COVERAGES) if one >= coverage > 0), None)
    if place is None:
        raise UsageError(
            f"coverage: expected a share from {COVERAGES[0]:g} to {COVERAGES[-1]:g}, found"
            f" {coverage!r:.40}; such as 0.95"
        )
    asked = [position for position in range(len(tasks)) if given in (None, position)]
    if asked:
        _check(min((tasks[one] for one in asked), key=_promised), place)
    limits = [1.0] * len(tasks)  # of a task that is not asked
    for position in asked:
        limits[position] = tasks[position].calibration.odds.limits[place]
    return Wanted(top, COVERAGES[place], limits)


def _promised(task: Task) -> int:
    """How many of `COVERAGES` can be promised of a task."""
    return len(task.calibration.odds.limits)


def _check(task: Task, place: int) -> None:
    limits, held_out = task.calibration.odds.limits, task.certificate.held_out
    if place < len(limits):
        return
    least = _least_examples(COVERAGES[place])
    if held_out >= least:
        raise UsageError(
            f"coverage {COVERAGES[place]:g} of task {task.name!r}: expected that it was measured,"
            " found that it was not; export the bundle again"
        )
    other = f"ask for at most {COVERAGES[len(limits) - 1]:g}, or " if limits else ""
    raise UsageError(
        f"coverage {COVERAGES[place]:g} of task {task.name!r}: expected at least {least} held-out"
        f" examples, found {held_out}; {other}hold out more"
    )


def _least_examples(coverage: float) -> int:
    """Of how many held-out inputs a coverage in (0, 1) can be promised, at least."""
    count = 1
    while place_of(count, coverage) > count:
        count += 1
    return count
