"""Read a manifest, refusing all that is not exactly what `cfedge.bundle.manifest.serialize` would
write. Pure.

Unknown fields are refused (a newer program raises `schema` when it adds one), as is any form but
the canonical one, and what the fields' meaning excludes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

from cfedge.bundle.canonical import canonical_json, quoted, read_json, typed
from cfedge.bundle.fileref import check_file
from cfedge.bundle.manifest import LOOKUP, SCHEMA, Backbone, Certificate, Manifest, Task
from cfedge.confidence import upper_bound
from cfedge.errors import SchemaError
from cfedge.margins import Margins
from cfedge.printable import is_printable

__all__ = [
    "LIMITS",
    "Limits",
    "check_backbone",
    "check_certificate",
    "check_margins",
    "check_task",
    "parse",
]


@dataclass(frozen=True)
class Limits:
    """Bounds on what a reader accepts; far above any use, far below what hurts.

    A manifest of ten thousand tasks has some 9 MB and 260,000 values.
    """

    manifest_bytes: int = 16 << 20
    values: int = 1 << 19  # commas and opening brackets: a value takes 80 bytes of memory or so
    tasks: int = 1 << 14
    labels: int = 1 << 18  # of all tasks together
    slots: int = 1 << 12
    versions: int = 64
    name_characters: int = 200
    axes: int = 8  # of hidden states
    axis: int = 1 << 24  # sizes of hidden states, views and features
    held_out: int = 1 << 17  # examples behind a certificate: its bound is computed again


LIMITS = Limits()
#: Of a bound that another program computed.
_ROUNDING = 1e-9


def parse(data: bytes) -> Manifest:
    """Read a manifest, refusing all that is not exactly what `serialize` would write.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    if len(data) > LIMITS.manifest_bytes:
        raise SchemaError(
            f"manifest: expected at most {LIMITS.manifest_bytes} bytes, found {len(data)}; get the"
            " bundle again"
        )
    values = sum(data.count(byte) for byte in b",[{")
    if values > LIMITS.values:
        raise SchemaError(
            f"manifest: expected at most {LIMITS.values} values, found {values}; get the bundle"
            " again"
        )
    body = read_json(data, "manifest")
    if not isinstance(body, dict):
        raise SchemaError(
            f"manifest: expected an object, found {type(body).__name__}; get the bundle again"
        )
    schema = body.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise SchemaError(
            f"manifest: expected schema <= {SCHEMA}, found {quoted(schema)}; install a newer"
            " cfedge to read this bundle"
        )
    if schema != SCHEMA:
        raise SchemaError(
            f"manifest: expected schema {SCHEMA}, found {quoted(schema)}; export the bundle again"
        )
    stated = body.pop("sha256", None)
    try:
        found = hashlib.sha256(canonical_json(body)).hexdigest()
        canonical = canonical_json({**body, "sha256": stated}) == data
    except (ValueError, UnicodeEncodeError, RecursionError) as error:
        raise SchemaError(
            f"manifest: expected canonical JSON, found {error}; get the bundle again"
        ) from error
    if stated != found:
        raise SchemaError(
            f"manifest: expected SHA-256 {quoted(stated)}, found {found}: it was changed or cut;"
            " get the bundle again"
        )
    if not canonical:
        raise SchemaError(
            "manifest: expected canonical JSON, found other spacing or order; get the bundle again"
        )
    manifest: Manifest = typed(Manifest, body, "manifest")
    _check(manifest)
    manifest.__dict__["digest"] = hashlib.sha256(
        data
    ).hexdigest()  # what is canonical has no other bytes
    return manifest


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
    if not task.classes or task.rank < 1 or not 0 < task.false_reject_rate < 1:
        raise SchemaError(
            f"task {task.name!r}: expected >= 1 class, rank >= 1 and a rate in (0, 1), found"
            f" {len(task.classes)}, {task.rank} and {task.false_reject_rate}; export the bundle"
            " again"
        )


def check_certificate(task: str, one: Certificate) -> None:
    """Refuse a certificate whose counts contradict each other, or whose bound is below what they
    allow.

    Raises
    ------
    SchemaError
    """
    if not (
        0 <= one.rival_errors <= one.errors <= one.held_out <= LIMITS.held_out
        and 0 <= one.wrong <= one.held_out
        and 0 <= one.upper_bound <= 1
        and 0 <= one.wrong_upper_bound <= 1
        and 0 < one.alpha < 1
        and one.tasks >= 1
    ):
        found = ", ".join(
            f"{key} {value}" for key, value in dataclasses.asdict(one).items() if key != "rival"
        )
        raise SchemaError(
            f"certificate of task {task!r}: expected rival_errors <= errors <= held_out, wrong <="
            f" held_out, shares in [0, 1], tasks >= 1, found {found}; export the bundle again"
        )
    for count, bound, what in (
        (one.errors, one.upper_bound, "errors"),
        (one.wrong, one.wrong_upper_bound, "wrong answers"),
    ):
        least = upper_bound(count, one.held_out, one.alpha / one.tasks)
        if bound < least * (1 - _ROUNDING):
            raise SchemaError(
                f"certificate of task {task!r}: expected an upper bound of at least {least:.6g}, as"
                f" {count} {what} of {one.held_out} allow, found {bound:.6g}; export the bundle"
                " again"
            )


def check_margins(where: str, margins: Margins, remedy: str) -> None:
    """Refuse margins that are negative or not a number, naming the field and the `remedy`.

    Raises
    ------
    SchemaError
    """
    for name, margin in dataclasses.asdict(margins).items():
        if not margin >= 0:
            raise SchemaError(f"{where}.{name}: expected >= 0, found {margin}; {remedy}")


def _check(manifest: Manifest) -> None:
    check_backbone(manifest.backbone)
    if manifest.lookup != LOOKUP:
        raise SchemaError(
            f"manifest.lookup: expected {LOOKUP!r}, found {manifest.lookup!r:.80}; install a newer"
            " cfedge"
        )
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
                f"{what}: expected printable characters, found {name!r:.80}; export the bundle again"
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
