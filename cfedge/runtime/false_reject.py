"""How many of its own inputs may a task call unknown? Chosen when it is asked, within what the
bundle's thresholds were measured for. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cfedge.bundle.manifest import Task
from cfedge.calibration import RATES
from cfedge.errors import TaskError, UsageError

__all__ = ["FalseReject", "Limit", "Limits", "check_monitor", "parsed"]

#: Tasks that an error lists.
_NAMED = 50
#: One rate for all tasks, a rate by task, or None: those that the bundle was exported with.
FalseReject = float | Mapping[str, float] | None


class Limit(NamedTuple):
    """The false-reject rate of a task, and the out-of-distribution score above which an input of it
    is unknown.
    """

    rate: float
    threshold: float


class Limits:
    """Each task's limit, computed when it is asked for: a call needs one of a thousand.

    Parameters
    ----------
    tasks
        By position.
    asked
        The limit of a task is that of the largest rate listed which is not above what was asked
        for, and never below what so few held-out inputs can promise.

    Raises
    ------
    TaskError
        A rate is for a task that there is not.
    UsageError
        A rate is none that the bundle was measured for.
    """

    def __init__(self, tasks: Sequence[Task], asked: FalseReject = None) -> None:
        self._tasks = tasks
        self._every: float | None = None
        self._by_task: Mapping[str, float] = {}
        if asked is None:  # as most calls do
            return
        if not isinstance(asked, Mapping):
            self._every = asked
            _check(asked)
        else:
            self._by_task = asked
            known = {task.name: task for task in tasks}
            for name, rate in self._by_task.items():
                if name not in known:
                    raise TaskError(
                        f"task: expected one of {', '.join(list(known)[:_NAMED])}, found"
                        f" {name!r:.80}; name one of them"
                    )
                _check(rate, f" of task {name!r}")

    def __getitem__(self, position: int) -> Limit:
        """Return the limit of the task at a position."""
        task = self._tasks[position]
        return _limit(task, self._by_task.get(task.name, self._every))


def parsed(values: Sequence[str] | None) -> FalseReject:
    """Read what ``--false-reject`` was given: one rate for all tasks, or ``TASK=RATE`` for each.

    Raises
    ------
    UsageError
        It is neither, or both.
    """
    if not values:
        return None
    named = {name: rate for name, equal, rate in (one.rpartition("=") for one in values) if equal}
    try:
        if not named and len(values) == 1:
            return float(values[0])
        if len(named) == len(values):
            return {name: float(rate) for name, rate in named.items()}
    except ValueError:
        pass
    raise UsageError(
        "--false-reject: expected one RATE, or TASK=RATE once for each task, found"
        f" {' '.join(values)!r:.80}; such as --false-reject 0.1"
    )


def check_monitor(monitor: object, asked: FalseReject) -> None:
    """Refuse to count unknown inputs at another rate than what they are held against.

    Raises
    ------
    UsageError
    """
    if monitor is not None and asked is not None:
        raise UsageError(
            "--monitor: expected no --false-reject beside it, found one; it holds unknown inputs"
            " against the rate of export: export with --false-reject instead"
        )


def _check(rate: float, of: str = "") -> None:
    least, most = RATES[0], RATES[-1]
    if not least <= rate <= most:
        raise UsageError(
            f"false-reject rate{of}: expected {least:g} to {most:g}, which thresholds are measured"
            f" for, found {rate:g}; ask for one of these"
        )


def _limit(task: Task, rate: float | None) -> Limit:
    if rate is None:
        return Limit(task.false_reject_rate, task.threshold)
    listed, threshold = task.calibration.at_rate(rate)
    promised = 1 / (task.certificate.own + 1) if task.certificate.own else listed
    return Limit(max(listed, promised), threshold)
