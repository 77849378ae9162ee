"""One task of a workspace: what it is, how it was learned, and what is certified of it.

Each task that is added moves every limit, and to certify takes longer the more tasks there are. So
what `Workspace.add` returns is computed when it is read: a loop that adds tasks pays for what it
reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cfedge.bundle.manifest import Certificate
from cfedge.train.examples.reading import Reading
from cfedge.train.features.curve import Point
from cfedge.train.measures.answers import Answers
from cfedge.train.measures.trial import Trial

__all__ = ["TaskCertificate"]


@dataclass(frozen=True)
class TaskCertificate:
    """One task: what it is, how it was learned, and what is certified of it.

    Attributes
    ----------
    labels
        The task's classes.
    examples
        How many examples it was learned from.
    repeated
        How many held-out inputs are, but for case and spaces, also learned from.
    transfer, kept_energy
        What the adapter reuses of other tasks, as a share by task, and the share of what was
        learned that it kept when reused and new units were folded into one.
    method
        ``adapter`` or ``closed-form``.
    same_labels
        Its labels that mean the same as another task's, each with what that task calls it.
    shared_labels
        Its labels that other tasks have too without meaning the same, each with those tasks.
    threshold, false_reject_rate
        The out-of-distribution score above which an input is called unknown at the default rate, and
        the rate at which that calls the task's own inputs unknown.
    certificate
        How often another task is picked, with all tasks of the workspace together.
    answers
        How often the whole answer is right: task and label.
    closer_share, tail_share
        The share of its held-out inputs that were looked at again, and the share that was
        looked at behind the frozen tail too.
    reading
        What of its inputs the encoder cannot read.
    curve
        What fewer examples would have given (`cfedge.train.features.curve`); empty where the task
        was changed since it was learned.
    trial
        What an adapter gained over the closed form, where it had to prove itself
        (`cfedge.train.measures.trial`).
    """

    task: str
    labels: tuple[str, ...]
    examples: int
    repeated: int
    transfer: dict[str, float]
    kept_energy: float
    method: str
    same_labels: dict[str, str]
    shared_labels: dict[str, tuple[str, ...]]
    threshold: float
    false_reject_rate: float
    certificate: Certificate
    answers: Answers
    closer_share: float
    tail_share: float
    reading: Reading
    curve: tuple[Point, ...]
    trial: Trial | None

    @classmethod
    def when_read(cls, make: Callable[[], TaskCertificate]) -> TaskCertificate:
        """Return what `make` returns, which is called when something of it is first read."""
        later = object.__new__(cls)
        later.__dict__["_make"] = make
        return later

    def __getattr__(self, name: str) -> Any:
        """Compute what is not there yet."""
        if name.startswith("__") or "_make" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        self.__dict__.update(vars(self.__dict__["_make"]()))
        self.__dict__.pop("_make", None)
        return getattr(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process has: all of it."""
        _ = self.task
        return self.__dict__

    def record(self) -> dict[str, Any]:
        """Return it as one flat JSON object."""
        values = dataclasses.asdict(self)
        certificate = values.pop("certificate")
        labels = list(values.pop("labels"))
        values["answers"].pop("wrong_answer_at_most", None)
        values["answers"]["learned_nothing"] = self.answers.learned_nothing
        return {
            "task": values.pop("task"),
            "classes": len(labels),
            "labels": labels,
            **values,
            **certificate,
        }
