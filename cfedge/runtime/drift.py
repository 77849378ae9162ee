"""Do the inputs of a device still look like those that its tasks were certified with? Counts, and
an alarm with a stated error. Pure.

Two things are counted: inputs that are called unknown, by task, and inputs whose margin is thin. Of
inputs like the held-out ones a task calls no more unknown than the upper confidence bound that
follows from how its threshold was chosen; the share of thin margins is bounded likewise. An alarm
is raised where the counts cannot be reconciled with these bounds.

**False alarms.** Of T + 1 counters (`cfedge.runtime.drift_counter`) each may spend a = alpha / 2 /
(T + 1), and the bounds themselves fail with probability alpha / 2: whatever the number of inputs,
and however often one looks, the probability of ever raising a false alarm is at most alpha.

Thin margins are held against the certificates only where all tasks were measured together: after a
merge of two sites' tasks nobody has counted how many margins are thin, and no alarm is raised for
them.

It tells that inputs changed, not that answers are wrong. It supposes inputs that are drawn
independently, and that what a task is given is its own: inputs of one task that the lookup gives to
another are called unknown more often, by as much as the certificates allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cfedge.bundle.manifest import Certificate, Manifest
from cfedge.confidence import upper_bound
from cfedge.errors import UsageError
from cfedge.outside import check_file
from cfedge.runtime.drift_counter import Counter
from cfedge.runtime.drift_file import THIN, Counts, read_counts, write_counts

__all__ = ["ALPHA", "Alarm", "Answer", "Monitor", "spent_by_each"]

#: Probability of ever raising a false alarm.
ALPHA = 0.01


class Answer(Protocol):
    """What is counted of a prediction."""

    @property
    def task(self) -> str:
        """Its task, also where it is unknown."""

    @property
    def unknown(self) -> bool:
        """Whether it belongs to none."""

    @property
    def stages(self) -> int:
        """More than one where its margin was thin."""


@dataclass(frozen=True)
class Alarm:
    """The inputs changed.

    Attributes
    ----------
    counter
        The task, or ``thin margins``.
    message
        One line.
    """

    counter: str
    message: str


class Monitor:
    """Counters of one bundle.

    Parameters
    ----------
    manifest
        Of the bundle that answers.
    alpha
        Probability of ever raising a false alarm, in (0, 1).

    Attributes
    ----------
    anew
        `load` found counts of another bundle, and left them out.
    """

    anew = False

    def __init__(self, manifest: Manifest, *, alpha: float = ALPHA) -> None:
        if not 0 < alpha < 1:
            raise UsageError(f"alpha: expected a probability in (0, 1), found {alpha}")
        tasks = manifest.tasks
        each = spent_by_each(alpha, len(tasks))
        held_out = sum(task.certificate.held_out for task in tasks)
        thin = manifest.margins.second_share
        measured_together = all(task.certificate.tasks == len(tasks) for task in tasks)
        self._state = Counts(
            bundle=manifest.digest,
            alpha=alpha,
            thin=Counter(_bound(thin, held_out, each) if measured_together else 1.0),
            unknown={
                task.name: Counter(_bound(task.false_reject_rate, _matched(task.certificate), each))
                for task in tasks
            },
        )

    @classmethod
    def load(cls, path: Path, manifest: Manifest, *, alpha: float = ALPHA) -> Monitor:
        """Go on from a file of `save`; begin anew where there is none, or where it is another
        bundle's.

        Raises
        ------
        DamagedError
            It is no such file.
        StorageError
            It cannot be read.
        UsageError
            There is none, and could be none; see `cfedge.outside.check_file`.
        """
        monitor = cls(manifest, alpha=alpha)
        try:
            state = read_counts(path)
        except FileNotFoundError:
            check_file(path)
            return monitor
        if (state.bundle, state.alpha, set(state.unknown)) == (
            manifest.digest,
            alpha,
            set(monitor._state.unknown),
        ):
            monitor._state = state
        else:
            monitor.anew = True
        return monitor

    def save(self, path: Path) -> None:
        """Write the counters, in one step."""
        write_counts(path, self._state)

    def see(self, predictions: Iterable[Answer]) -> list[Alarm]:
        """Count answers; return the alarms that this raises."""
        state = self._state
        spend = spent_by_each(state.alpha, len(state.unknown))
        alarms = []
        for answer in predictions:
            counter = state.unknown[answer.task]
            if counter.see(answer.unknown, spend):
                message = _message(f"task {answer.task!r}", "called unknown", counter, state.alpha)
                alarms.append(Alarm(answer.task, message))
            if state.thin.see(answer.stages > 1, spend):
                alarms.append(
                    Alarm(
                        THIN,
                        _message("all tasks", "with a thin margin", state.thin, state.alpha),
                    )
                )
        return alarms

    def counters(self) -> dict[str, Counter]:
        """Return the counters of unknown inputs by task, and that of thin margins."""
        return self._state.counters


def spent_by_each(alpha: float, tasks: int) -> float:
    """Return what each of the counters of so many tasks, and that of thin margins, may spend."""
    return alpha / 2 / (tasks + 1)


def _matched(certificate: Certificate) -> int:
    """Held-out examples that its threshold was set with: those that the lookup gave to the task."""
    return max(1, certificate.held_out - certificate.errors)


def _bound(share: float, held_out: int, alpha: float) -> float:
    """Upper confidence bound of a rate whose threshold was set at `share` of `held_out` examples.

    The rate above the ceil((N + 1)(1 - share))-th smallest of N is distributed as Beta(N + 1 -
    that, that) (split conformal), whose upper confidence bound is Clopper-Pearson's for as many
    exceedances.
    """
    place = min(math.ceil((held_out + 1) * (1 - share)), held_out)
    return upper_bound(held_out - place, held_out, alpha)


def _message(where: str, what: str, counter: Counter, alpha: float) -> str:
    return (
        f"{where}: expected at most {counter.bound:.1%} of inputs {what}, found"
        f" {counter.block_hits} of the last {counter.block_inputs}; the inputs changed (wrong with"
        f" probability at most {alpha:.1%}): look at them, or learn a task of them"
    )
