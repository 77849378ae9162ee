"""What is certified of a workspace's tasks: `certificates(workspace)`, for every front door.

The rules are `cfedge.train.measures.certificate`'s; here they are applied to all tasks of a
workspace together, and put beside what each task's record says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Certificate
from cfedge.lookup.ood import ood_score
from cfedge.lookup.rules import RULES
from cfedge.margins import TAIL_SHARE
from cfedge.meanings import Meanings
from cfedge.progress import Progress
from cfedge.train.certify.inspection import Inspection, inspect, mixture_bounds
from cfedge.train.certify.judged import Judged, judged
from cfedge.train.certify.overlaps import Overlap, overlaps
from cfedge.train.examples.reading import Reading
from cfedge.train.features.curve import Point
from cfedge.train.measures.answers import Answers, certified_answers
from cfedge.train.measures.trial import Trial
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import TaskRecord

__all__ = ["Certificates", "TaskCertificate", "certificates", "inspected"]


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
        What fewer examples would have given (`cfedge.train.features.curve`).
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


@dataclass(frozen=True)
class Certificates:
    """All tasks of a workspace, by name, and which of them overlap."""

    tasks: dict[str, TaskCertificate]
    overlaps: tuple[Overlap, ...]

    def of(self, names: Collection[str]) -> Certificates:
        """Return those of some tasks, and the overlaps that they take part in."""
        return Certificates(
            {name: one for name, one in self.tasks.items() if name in names},
            tuple(one for one in self.overlaps if one.task in names or one.rival in names),
        )


def certificates(
    workspace: WorkspaceFolder,
    of: Collection[str] | None = None,
    *,
    tail_share: float = TAIL_SHARE,
) -> Certificates:
    """Certify every task of a workspace against all of them.

    Nothing is read but what the workspace keeps of each task.

    Parameters
    ----------
    of
        Tasks whose overlaps with others are looked for; None: all.
    tail_share
        See `cfedge.train.certify.routing.routed`.
    """
    names = workspace.tasks
    if not names:
        return Certificates({}, ())
    held_out = {name: workspace.held_out(name) for name in names}
    found = judged(workspace, tail_share=tail_share)
    records = {name: workspace.record(name) for name in names}
    shared, tasks = _shared(records), {}
    for position, (name, record) in enumerate(records.items()):
        evidence, seen, matches = found.certified[name], held_out[name], found.matches[name]
        tasks[name] = TaskCertificate(
            task=name,
            labels=record.classes,
            examples=record.examples,
            repeated=record.repeated,
            transfer=dict(record.transfer),
            kept_energy=record.kept_energy,
            method=record.settings.method,
            same_labels=dict(record.same_labels),
            shared_labels=shared[name],
            threshold=evidence.threshold,
            false_reject_rate=evidence.false_reject_rate,
            certificate=evidence.certificate,
            answers=certified_answers(
                record.classes,
                seen.classes,
                known=seen.answers == seen.classes,
                right=found.right[name],
                unknown=_unknown(found, name, position),
                certificate=evidence.certificate,
            ),
            closer_share=float((matches.stages > 1).mean()),
            tail_share=1.0 if found.router.reads_all else float((matches.stages > 2).mean()),
            reading=record.reading,
            curve=record.curve,
            trial=record.trial,
        )
    return Certificates(
        tasks,
        tuple(overlaps(found.router, found.matches, found.certified, names if of is None else of)),
    )


def _unknown(found: Judged, name: str, position: int) -> NDArray[np.bool_]:
    """Which of a task's held-out inputs are called unknown, bool [N]."""
    routed = found.matches[name].task == position
    unknown = np.zeros(len(routed), np.bool_)
    if routed.any():
        evidence = found.certified[name]
        unknown[routed] = ood_score(evidence.calibration, found.terms[name]) > evidence.threshold
    return unknown


def _shared(records: Mapping[str, TaskRecord]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By task its labels that others have too, but for those that are declared to mean the same."""
    meanings = Meanings({name: record.same_labels for name, record in records.items()})
    holders: dict[str, list[str]] = {}
    for name, record in records.items():
        for label in record.classes:
            if meanings.of(name, label)[0] is not None:
                holders.setdefault(label, []).append(name)
    return {
        name: {
            label: others
            for label in record.classes
            if (others := tuple(other for other in holders.get(label, ()) if other != name))
            and name in holders[label]
        }
        for name, record in records.items()
    }


def inspected(
    workspace: WorkspaceFolder, *, mixtures: bool = False, progress: Progress | None = None
) -> dict[str, Inspection]:
    """Hold the first stage's own model of every task against the held-out evidence; nothing where
    the workspace's lookup has no first stage.

    Parameters
    ----------
    mixtures
        Also bound the errors of comparing mixtures, each task with a covariance of its own (slow).
    """
    names = workspace.tasks
    if not names or RULES[workspace.lookup].reads_all:
        return {}
    signatures = {name: workspace.signature(name).trunk for name in names}
    width = workspace.backbone.lookup_width
    held_out = {name: workspace.held_out(name).features.trunk[:, :width] for name in names}
    folds = {name: workspace.folds(name) for name in names}
    bounds = mixture_bounds(signatures, progress) if mixtures else None
    return inspect(signatures, held_out, folds, mixtures=bounds)
