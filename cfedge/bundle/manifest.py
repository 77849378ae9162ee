"""The manifest: what a bundle says about itself. Pure: bytes in, typed values out, and back.

Rules: canonical JSON (sorted keys, no spaces, UTF-8, no NaN), so one manifest has exactly one byte
form and any other is refused; its own SHA-256 is a field of it; files are named by SHA-256 and
size; unknown fields are refused (a newer program raises `schema` when it adds one). Reading the
files is for `cfedge.bundle.files`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from cfedge.errors import SchemaError
from cfedge.margins import Margins

__all__ = [
    "Backbone",
    "Certificate",
    "FileRef",
    "LOOKUP",
    "Manifest",
    "SCHEMA",
    "Slot",
    "Task",
    "canonical_json",
    "check_backbone",
    "check_certificate",
    "check_file",
    "check_margins",
    "check_task",
    "parse",
    "serialize",
    "typed",
]

#: Version of the bundle format that this program reads and writes.
SCHEMA = 1
#: The lookup that it knows.
LOOKUP = "class-clusters"


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
    file_bytes: int = 2 << 30
    integer: int = 2**53  # what every JSON reader holds exactly
    tokens: int = 1 << 16  # of one text; attention takes their square
    quoted_characters: int = 80


LIMITS = Limits()


@dataclass(frozen=True)
class FileRef:
    """One content-addressed file: ``objects/<sha256>``."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Slot:
    """A place for a low-rank pair: ``a.<name>`` [ab, rows, rank], ``b.<name>`` [ab, rank, columns],
    float32.
    """

    name: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Backbone:
    """The frozen encoder: trunk + tail, cut before block `split` of `blocks`, pooled features of
    `width`.
    """

    name: str
    source_sha256: str
    scheme: str
    blocks: int
    split: int
    width: int
    max_tokens: int
    slots: tuple[Slot, ...]
    trunk: FileRef
    tail: FileRef
    tokenizer: FileRef

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides what the backbone computes; adapters name it."""
        decisive = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in ("name", "source_sha256")
        }
        return hashlib.sha256(canonical_json(decisive)).hexdigest()

    def files(self) -> dict[str, FileRef]:
        """Its files by role."""
        return {"trunk": self.trunk, "tail": self.tail, "tokenizer": self.tokenizer}


@dataclass(frozen=True)
class Certificate:
    """How often the lookup picks another task, measured on held-out examples against all `tasks` of
    the bundle.

    `upper_bound` is Clopper and Pearson's upper confidence bound, BetaInv(1 - alpha/tasks; errors +
    1, held_out - errors): all tasks' bounds hold together with probability >= 1 - alpha. `rival`
    took `rival_errors` of the errors.
    """

    held_out: int
    errors: int
    upper_bound: float
    alpha: float
    tasks: int
    rival: str | None
    rival_errors: int


@dataclass(frozen=True)
class Task:
    """One task: classes, files, the unknown threshold and its certificate."""

    name: str
    classes: tuple[str, ...]
    rank: int
    threshold: float
    false_reject_rate: float
    certificate: Certificate
    adapter: FileRef
    signature: FileRef
    golden: FileRef


@dataclass(frozen=True)
class Manifest:
    """A whole bundle; `margins` are those below which its lookup looks closer."""

    backbone: Backbone
    tasks: tuple[Task, ...]
    lookup: str = LOOKUP
    margins: Margins = field(default_factory=Margins)
    versions: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its bytes: names the bundle."""
        return hashlib.sha256(serialize(self)).hexdigest()

    def files(self) -> dict[str, FileRef]:
        """Every file by the role that errors name."""
        roles = self.backbone.files()
        for task in self.tasks:
            for part in ("adapter", "signature", "golden"):
                roles[f"{part} of task {task.name!r}"] = getattr(task, part)
        return roles


def canonical_json(value: object) -> bytes:
    """Serialize to the one accepted form."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def serialize(manifest: Manifest) -> bytes:
    """Return the manifest's bytes, its own digest included."""
    body = json.loads(canonical_json(dataclasses.asdict(manifest)))
    body["sha256"] = hashlib.sha256(canonical_json(body)).hexdigest()
    return canonical_json(body)


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
    try:
        body = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (
        ValueError,
        RecursionError,
    ) as error:  # bad UTF-8, bad JSON, an integer of thousands of digits; too deep
        raise SchemaError(
            f"manifest: expected canonical JSON, found {error}; get the bundle again"
        ) from error
    if not isinstance(body, dict):
        raise SchemaError(
            f"manifest: expected an object, found {type(body).__name__}; get the bundle again"
        )
    schema = body.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise SchemaError(
            f"manifest: expected schema <= {SCHEMA}, found {_quoted(schema)}; install a newer"
            " cfedge to read this bundle"
        )
    if schema != SCHEMA:
        raise SchemaError(
            f"manifest: expected schema {SCHEMA}, found {_quoted(schema)}; export the bundle again"
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
            f"manifest: expected SHA-256 {_quoted(stated)}, found {found}: it was changed or cut;"
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SchemaError(
            "manifest: expected each key once, found a key twice; get the bundle again"
        )
    return found


def _no_constant(name: str) -> float:
    raise SchemaError(f"manifest: expected finite numbers, found {name}; get the bundle again")


def typed(kind: Any, value: Any, where: str) -> Any:
    """Build `kind` (a dataclass, tuple, dict, union or scalar type) from parsed JSON, or say where
    it does not fit.
    """
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        names = hints.keys()
        if not isinstance(value, dict) or value.keys() != names:
            found = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise SchemaError(
                f"{where}: expected fields {sorted(names)}, found {found!s:.300}; export the bundle"
                " again"
            )
        return kind(**{name: typed(hints[name], value[name], f"{where}.{name}") for name in names})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise SchemaError(
                f"{where}: expected a list, found {type(value).__name__}; export the bundle again"
            )
        return tuple(
            typed(arguments[0], item, f"{where}[{position}]") for position, item in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise SchemaError(
                f"{where}: expected an object, found {_quoted(value)}; export the bundle again"
            )
        return {
            key: typed(arguments[1], item, f"{where}.{key[: LIMITS.quoted_characters]}")
            for key, item in value.items()
        }
    if origin is types.UnionType:
        return None if value is None else typed(arguments[0], value, where)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SchemaError(
            f"{where}: expected {kind.__name__}, found {_quoted(value)}; export the bundle again"
        )
    if isinstance(value, int) and abs(value) > LIMITS.integer:
        raise SchemaError(
            f"{where}: expected at most {LIMITS.integer}, found {_quoted(value)}; export the bundle"
            " again"
        )
    return value


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields, by name."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _quoted(value: Any) -> str:
    """A found value, short; of a list or object only the type, whose content may be too deep to
    print.
    """
    return (
        type(value).__name__
        if isinstance(value, list | dict)
        else str(repr(value))[: LIMITS.quoted_characters]
    )


def check_backbone(backbone: Backbone) -> None:
    """Refuse a backbone whose fields contradict each other.

    Raises
    ------
    SchemaError
    """
    for role in ("trunk", "tail", "tokenizer"):
        check_file(role, getattr(backbone, role))
    if (
        not 1 <= backbone.split < backbone.blocks
        or backbone.width < 1
        or not 1 <= backbone.max_tokens <= LIMITS.tokens
    ):
        raise SchemaError(
            "manifest.backbone: expected 1 <= split < blocks and sizes > 0, of tokens at most"
            f" {LIMITS.tokens}, found split {backbone.split} of {backbone.blocks}, width"
            f" {backbone.width}, max_tokens {backbone.max_tokens}; export the bundle again"
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
    if len(task.classes) < 2 or task.rank < 1 or not 0 < task.false_reject_rate < 1:
        raise SchemaError(
            f"task {task.name!r}: expected >= 2 classes, rank >= 1 and a rate in (0, 1), found"
            f" {len(task.classes)}, {task.rank} and {task.false_reject_rate}; export the bundle"
            " again"
        )


def check_certificate(task: str, one: Certificate) -> None:
    """Refuse a certificate whose counts contradict each other.

    Raises
    ------
    SchemaError
    """
    if not (
        0 <= one.rival_errors <= one.errors <= one.held_out
        and 0 <= one.upper_bound <= 1
        and 0 < one.alpha < 1
        and one.tasks >= 1
    ):
        raise SchemaError(
            f"certificate of task {task!r}: expected rival_errors <= errors <= held_out, shares in"
            f" [0, 1] and tasks >= 1, found {dataclasses.asdict(one)}; export the bundle again"
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
    _distinct("task names", [task.name for task in manifest.tasks])
    _distinct("labels", [label for task in manifest.tasks for label in task.classes])
    for task in manifest.tasks:
        check_task(task)


def check_file(role: str, ref: FileRef) -> None:
    """Refuse a file reference that names nothing.

    Raises
    ------
    SchemaError
    """
    if len(ref.sha256) != 64 or set(ref.sha256) - set("0123456789abcdef"):
        raise SchemaError(
            f"{role}: expected 64 hexadecimal digits, found {ref.sha256!r:.80}; export the bundle"
            " again"
        )
    if not 0 < ref.size <= LIMITS.file_bytes:
        raise SchemaError(
            f"{role}: expected 1..{LIMITS.file_bytes} bytes, found {ref.size}; export the bundle"
            " again"
        )


def _distinct(what: str, names: list[str]) -> None:
    for name in names:
        if not 0 < len(name) <= LIMITS.name_characters:
            raise SchemaError(
                f"{what}: expected 1..{LIMITS.name_characters} characters, found {name!r:.80};"
                " export the bundle again"
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
