"""What the meaning of a manifest's fields excludes: numbers out of their range, names given twice.
What it says of held-out inputs is checked in `cfedge.bundle.evidence`. Pure.
"""

from __future__ import annotations

import dataclasses

from cfedge.bundle.evidence import check_calibration, check_certificate
from cfedge.bundle.fileref import check_digest, check_file
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.bundle.names import check_name, check_names
from cfedge.errors import SchemaError
from cfedge.lookups import LOOKUPS
from cfedge.margins import Margins

__all__ = [
    "check_backbone",
    "check_lookup",
    "check_manifest",
    "check_margins",
    "check_meanings",
    "check_task",
]


def check_backbone(backbone: Backbone) -> None:
    """Refuse a backbone whose fields contradict each other.

    Raises
    ------
    SchemaError
    """
    for role, ref in backbone.files().items():
        check_file(role, ref)
    check_name("backbone.name", backbone.name)
    check_digest("backbone.source_sha256", backbone.source_sha256)
    check_name("backbone.scheme", backbone.scheme)
    backbone.input.check()
    sizes = [
        backbone.width,
        *backbone.views,
        *(size for size in backbone.hidden if size is not None),
    ]
    if (
        not 1 <= backbone.split < backbone.blocks
        or not 1 <= len(backbone.hidden) <= LIMITS.axes
        or not 1 <= len(backbone.views) <= LIMITS.axes
        or not all(1 <= size <= LIMITS.axis for size in sizes)
    ):
        raise SchemaError(
            "manifest.backbone: expected 1 <= split < blocks, 1 to"
            f" {LIMITS.axes} sizes of hidden states and of views, each and width of 1 to"
            f" {LIMITS.axis}, found split {backbone.split} of {backbone.blocks}, hidden"
            f" {list(backbone.hidden)!s:.80}, views {list(backbone.views)!s:.80}, width"
            f" {backbone.width}; export the bundle again"
        )
    _check_frozen_views(backbone)
    _at_most("slots", len(backbone.slots), LIMITS.slots)
    check_names("slots", [slot.name for slot in backbone.slots])
    for slot in backbone.slots:
        if slot.rows < 1 or slot.columns < 1:
            raise SchemaError(
                f"slot {slot.name!r}: expected sizes > 0, found {slot.rows} x {slot.columns};"
                " export the bundle again"
            )


def _check_frozen_views(backbone: Backbone) -> None:
    """Refuse views that cannot be the tail's features."""
    count = backbone.frozen_views
    fits = 0 < count <= len(backbone.views) and sum(backbone.views[:count]) == backbone.width
    if count and not fits:
        raise SchemaError(
            "manifest.backbone.frozen_views: expected 0, or so many first views as are together"
            f" {backbone.width} wide, found {count} of {list(backbone.views)!s:.80}; export the"
            " bundle again"
        )


def check_task(task: Task) -> None:
    """Refuse a task whose fields contradict each other.

    Raises
    ------
    SchemaError
    """
    for part in ("adapter", "signature", "golden"):
        check_file(f"{part} of task {task.name!r}", getattr(task, part))
    check_name("task names", task.name)
    _at_most(f"labels of task {task.name!r}", len(task.classes), LIMITS.labels)
    check_names("labels", list(task.classes))
    check_meanings(task)
    check_certificate(task.name, task.certificate)
    check_calibration(task.name, task.calibration)
    if not task.classes or task.rank < 1 or not 0 < task.false_reject_rate < 1:
        raise SchemaError(
            f"task {task.name!r}: expected >= 1 class, rank >= 1 and a rate in (0, 1), found"
            f" {len(task.classes)}, {task.rank} and {task.false_reject_rate}; export the bundle"
            " again"
        )


def check_meanings(task: Task) -> None:
    """Refuse meanings of labels that the task has not, and those that no label could be.

    Raises
    ------
    SchemaError
    """
    classes = set(task.classes)
    for label in task.same_labels:
        if label not in classes:
            raise SchemaError(
                f"same_labels of task {task.name!r}: expected labels of its classes, found"
                f" {label!r:.80}; export the bundle again"
            )
    for meaning in task.same_labels.values():
        check_name("same_labels", meaning)


def check_margins(where: str, margins: Margins, remedy: str) -> None:
    """Refuse margins that are negative or not a number, and a share above 1, naming the field and
    the `remedy`.

    Raises
    ------
    SchemaError
    """
    for name, margin in dataclasses.asdict(margins).items():
        if not margin >= 0:
            raise SchemaError(f"{where}.{name}: expected >= 0, found {margin}; {remedy}")
    for name in ("tail_share", "second_share"):
        share = getattr(margins, name)
        if share > 1:
            raise SchemaError(f"{where}.{name}: expected <= 1, found {share}; {remedy}")


def check_lookup(where: str, lookup: str) -> None:
    """Refuse a lookup that this program does not have, naming the field.

    Raises
    ------
    SchemaError
    """
    if lookup not in LOOKUPS:
        raise SchemaError(
            f"{where}: expected one of {', '.join(LOOKUPS)}, found {lookup!r:.80}; install a newer"
            " cfedge"
        )


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest whose fields contradict each other, in any of its parts.

    Raises
    ------
    SchemaError
    """
    check_backbone(manifest.backbone)
    check_lookup("manifest.lookup", manifest.lookup)
    check_margins("manifest.margins", manifest.margins, "export the bundle again")
    _at_most("tasks", len(manifest.tasks), LIMITS.tasks)
    _at_most("labels", sum(len(task.classes) for task in manifest.tasks), LIMITS.labels)
    _at_most("versions", len(manifest.versions), LIMITS.versions)
    for package, version in manifest.versions.items():
        check_name("versions", package)
        check_name("versions", version)
    check_names("task names", [task.name for task in manifest.tasks])
    for task in manifest.tasks:
        check_task(task)


def _at_most(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise SchemaError(
            f"{what}: expected at most {limit}, found {count}; export the bundle again"
        )
