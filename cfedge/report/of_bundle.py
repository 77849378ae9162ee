"""A bundle -> what its report says. Nothing but the bundle's own bytes is read: neither this machine
nor the folder's name is told of, and the same bundle gives the same report everywhere.
"""

from __future__ import annotations

from typing import Any

from cfedge import inputs
from cfedge.bundle.arrays import load_arrays, load_note
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone, Task
from cfedge.errors import IncompatibleError
from cfedge.lookup import ClusterStatistics
from cfedge.lookup.rules import RULES
from cfedge.report import contents
from cfedge.report.clusters import cluster_map
from cfedge.report.shown import shown
from cfedge.runtime.golden import listed

__all__ = ["backbone_of", "of_bundle"]

#: Bytes of all golden inputs together.
_GOLDEN_BYTES = 400_000


def backbone_of(backbone: Backbone) -> contents.Backbone:
    """Return what a report says of a backbone."""
    return contents.Backbone(
        name=backbone.name,
        scheme=backbone.scheme,
        reads=backbone.input.kind,
        blocks=backbone.blocks,
        split=backbone.split,
        width=backbone.width,
        digest=backbone.digest,
        size_bytes=sum(ref.size for ref in backbone.files().values()),
    )


def of_bundle(bundle: Bundle, of: str = "bundle") -> contents.Contents:
    """Return what a bundle's report says.

    Parameters
    ----------
    of
        ``bundle``, or ``store`` where it is what answers of one.

    Raises
    ------
    IncompatibleError
        A file does not fit the manifest.
    """
    manifest = bundle.manifest
    if not manifest.tasks:
        raise IncompatibleError("bundle: expected at least one task, found none; add a task")
    clusters = {task.name: _clusters(bundle, task) for task in manifest.tasks}
    return contents.Contents(
        of=of,
        digest=manifest.digest,
        backbone=backbone_of(manifest.backbone),
        versions=dict(manifest.versions),
        machine=None,
        tasks=tuple(_task(task) for task in sorted(manifest.tasks, key=lambda task: task.name)),
        clusters=cluster_map(clusters, {task.name: task.classes for task in manifest.tasks}),
        golden=_golden(bundle),
        lookup=manifest.lookup,
    )


def _task(task: Task) -> contents.Task:
    return contents.Task(
        name=task.name,
        classes=task.classes,
        method=None,
        examples=None,
        size_bytes=task.adapter.size + task.signature.size + task.golden.size,
        threshold=task.threshold,
        false_reject_rate=task.false_reject_rate,
        certificate=task.certificate,
    )


def _clusters(bundle: Bundle, task: Task) -> ClusterStatistics:
    backbone, what = bundle.manifest.backbone, f"signature of task {task.name!r}"
    rule, arrays = RULES[bundle.manifest.lookup], load_arrays(bundle[task.signature], what)
    signature = rule.stored(arrays, what, backbone.width, backbone.views, backbone.frozen_views)
    found = rule.counted(signature)
    if found != len(task.classes):
        raise IncompatibleError(
            f"{what}: expected {len(task.classes)} clusters, found {found}; export the bundle again"
        )
    return rule.clusters(signature)


def _golden(bundle: Bundle) -> tuple[contents.Golden, ...]:
    """Return the golden vectors, as many as there is room for: one of each task, then the next."""
    spec = bundle.manifest.backbone.input
    by_task: list[tuple[str, list[tuple[Any, Any, Any]]]] = []
    for task in bundle.manifest.tasks:
        what = f"golden vectors of task {task.name!r}"
        arrays, note = load_arrays(bundle[task.golden], what), load_note(bundle[task.golden], what)
        arrays.pop("embeddings", None)
        notes, labels, tasks = (listed(note, key, what) for key in ("inputs", "labels", "tasks"))
        values = inputs.stored(spec).load(arrays, notes, what)
        by_task.append((task.name, list(zip(values, labels, tasks, strict=False))))
    kept, left = [], _GOLDEN_BYTES
    for turn in range(max(len(rows) for _, rows in by_task)):
        for name, rows in by_task:
            if turn < len(rows):
                value, label, found = rows[turn]
                what_is = shown(value, spec, turn + 1)
                left -= what_is.size_bytes + 60
                if left >= 0:
                    kept.append(
                        contents.Golden(
                            name, what_is.words, what_is.picture, str(label), str(found)
                        )
                    )
    return tuple(sorted(kept, key=lambda one: one.task))
