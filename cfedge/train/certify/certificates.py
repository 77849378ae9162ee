"""What is certified of a workspace's tasks: `certificates(workspace)`, for every front door.

The rules are `cfedge.train.measures.certificate`'s; here they are applied to all tasks of a
workspace together, and put beside what each task's record says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.ood import ood_score
from cfedge.lookup.rules import RULES
from cfedge.meanings import Meanings
from cfedge.progress import Progress
from cfedge.train.certify.inspection import Inspection, inspect, mixture_bounds
from cfedge.train.certify.judged import Judged, judged
from cfedge.train.certify.overlaps import Overlap, overlaps, shared_by
from cfedge.train.certify.task_certificate import TaskCertificate
from cfedge.train.measures.answers import certified_answers
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import TaskRecord

__all__ = ["Certificates", "certificates", "inspected"]


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
    tail_share: float | None = None,
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
            curve=record.curve_now,
            trial=record.trial,
        )
    pairs = overlaps(found.router, found.matches, found.certified, names if of is None else of)
    return Certificates(tasks, _with_shared(workspace, pairs))


def _with_shared(workspace: WorkspaceFolder, pairs: Sequence[Overlap]) -> tuple[Overlap, ...]:
    """Return overlaps with how many examples both tasks were learned from."""
    names = {name for pair in pairs for name in (pair.task, pair.rival)}
    known = {name: set(workspace.statistics(name).known.digests.tolist()) for name in names}
    return tuple(replace(pair, shared=shared_by(known, pair)) for pair in pairs)


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
