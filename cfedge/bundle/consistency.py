"""What the meaning of a manifest's fields excludes: numbers out of their range, names given twice,
counts that contradict each other. Pure.
"""

from __future__ import annotations

import dataclasses
import itertools

from cfedge.bundle.fileref import check_file
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Backbone, Certificate, Manifest, Task
from cfedge.calibration import RATES, TERMS, Calibration
from cfedge.confidence import upper_bound
from cfedge.errors import SchemaError
from cfedge.lookup.rules import RULES
from cfedge.margins import Margins
from cfedge.printable import is_printable

__all__ = [
    "check_backbone",
    "check_calibration",
    "check_certificate",
    "check_lookup",
    "check_manifest",
    "check_margins",
    "check_task",
]

#: Of a calibration: with finer scales or farther numbers a score would not be finite.
_FINEST, _FARTHEST = 1e-12, 1e15
#: Of a bound that another program computed.
_ROUNDING = 1e-9
#: Of a certificate, how many of how many inputs are called unknown: the part after its whole.
_REJECTIONS = ("own", "own_rejected", "foreign", "foreign_caught", "others", "others_caught")


def check_backbone(backbone: Backbone) -> None:
    """Refuse a backbone whose fields contradict each other.

    Raises
    ------
    SchemaError
    """
    for role, ref in backbone.files().items():
        check_file(role, ref)
    _distinct("backbone.name", [backbone.name])
    _distinct("backbone.scheme", [backbone.scheme])
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
    _at_most("slots", len(backbone.slots), LIMITS.slots)
    _distinct("slots", [slot.name for slot in backbone.slots])
    for slot in backbone.slots:
        if slot.rows < 1 or slot.columns < 1:
            raise SchemaError(
                f"slot {slot.name!r}: expected sizes > 0, found {slot.rows} x {slot.columns};"
                " export the bundle again"
            )


def check_task(task: Task) -> None:
    """Refuse a task whose fields contradict each other.

    Raises
    ------
    SchemaError
    """
    for part in ("adapter", "signature", "golden"):
        check_file(f"{part} of task {task.name!r}", getattr(task, part))
    _distinct("task names", [task.name])
    _at_most(f"labels of task {task.name!r}", len(task.classes), LIMITS.labels)
    _distinct("labels", list(task.classes))
    check_certificate(task.name, task.certificate)
    check_calibration(task.name, task.calibration)
    if not task.classes or task.rank < 1 or not 0 < task.false_reject_rate < 1:
        raise SchemaError(
            f"task {task.name!r}: expected >= 1 class, rank >= 1 and a rate in (0, 1), found"
            f" {len(task.classes)}, {task.rank} and {task.false_reject_rate}; export the bundle"
            " again"
        )


def check_certificate(task: str, certificate: Certificate) -> None:
    """Refuse a certificate whose counts contradict each other, or whose bound is below what they
    allow.

    Raises
    ------
    SchemaError
    """
    if not (
        0
        <= certificate.rival_errors
        <= certificate.errors
        <= certificate.held_out
        <= LIMITS.held_out
        and 0 <= certificate.wrong <= certificate.held_out
        and 0 <= certificate.upper_bound <= 1
        and 0 <= certificate.wrong_upper_bound <= 1
        and 0 < certificate.alpha < 1
        and certificate.tasks >= 1
    ):
        stated = ", ".join(
            f"{key} {value}"
            for key, value in dataclasses.asdict(certificate).items()
            if key not in ("rival", *_REJECTIONS)
        )
        raise SchemaError(
            f"certificate of task {task!r}: expected rival_errors <= errors <= held_out, wrong <="
            f" held_out, shares in [0, 1], tasks >= 1, found {stated}; export the bundle again"
        )
    for name, part in zip(_REJECTIONS[::2], _REJECTIONS[1::2], strict=True):
        whole, rejected = getattr(certificate, name), getattr(certificate, part)
        if not 0 <= rejected <= whole <= LIMITS.held_out:
            raise SchemaError(
                f"certificate of task {task!r}: expected 0 <= {part} <= {name} <="
                f" {LIMITS.held_out}, found {rejected} and {whole}; export the bundle again"
            )
    for count, bound, what in (
        (certificate.errors, certificate.upper_bound, "errors"),
        (certificate.wrong, certificate.wrong_upper_bound, "wrong answers"),
    ):
        least = upper_bound(count, certificate.held_out, certificate.alpha / certificate.tasks)
        if bound < least * (1 - _ROUNDING):
            raise SchemaError(
                f"certificate of task {task!r}: expected an upper bound of at least {least:.6g}, as"
                f" {count} {what} of {certificate.held_out} allow, found {bound:.6g}; export the"
                " bundle"
                " again"
            )


def check_calibration(task: str, rule: Calibration) -> None:
    """Refuse a calibration that is not whole, or whose rates and thresholds are not in
    order.

    Raises
    ------
    SchemaError
    """
    thresholds = rule.thresholds
    whole = (
        len(rule.centers) == len(rule.scales) == TERMS
        and all(_FINEST <= scale <= _FARTHEST for scale in rule.scales)
        and all(abs(one) <= _FARTHEST for one in (*rule.centers, rule.accepted, *thresholds))
        and len(thresholds) == len(RATES)
        and all(one >= other for one, other in itertools.pairwise(thresholds))
    )
    if not whole:
        raise SchemaError(
            f"calibration of task {task!r}: expected {TERMS} centers, as many scales >= {_FINEST} and"
            f" {len(RATES)} thresholds that do not rise, none above {_FARTHEST:g}, found {len(rule.centers)}, scales"
            f" {list(rule.scales)!s:.60}, thresholds {list(thresholds)!s:.60}; export the bundle"
            " again"
        )


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
    if margins.tail_share > 1:
        raise SchemaError(
            f"{where}.tail_share: expected <= 1, found {margins.tail_share}; {remedy}"
        )


def check_lookup(where: str, lookup: str) -> None:
    """Refuse a lookup that this program does not have, naming the field.

    Raises
    ------
    SchemaError
    """
    if lookup not in RULES:
        raise SchemaError(
            f"{where}: expected one of {', '.join(RULES)}, found {lookup!r:.80}; install a newer"
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
        _distinct("versions", sorted({package, version}))
    _distinct("task names", [task.name for task in manifest.tasks])
    for task in manifest.tasks:
        check_task(task)


def _distinct(what: str, names: list[str]) -> None:
    for name in names:
        if not 0 < len(name) <= LIMITS.name_characters:
            raise SchemaError(
                f"{what}: expected 1..{LIMITS.name_characters} characters, found {name!r:.80};"
                " export the bundle again"
            )
        if not is_printable(name):
            raise SchemaError(
                f"{what}: expected printable characters, found {name!r:.80}; export the bundle"
                " again"
            )
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(
                f"{what}: expected each once, found {name!r} twice; export the bundle again"
            )
        seen.add(name)


def _at_most(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise SchemaError(
            f"{what}: expected at most {limit}, found {count}; export the bundle again"
        )
