"""One line of the catalogue: a backbone, a task, a task's measurement anew, or a removal. Pure.

Rules: canonical JSON, so one entry has exactly one byte form and its SHA-256 is its name; an entry
never changes; it names the entries that it takes the place of, so that what happened at two sites
at once can be told from what followed. What a set of entries adds up to is for
`cfedge.catalogue.view`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.consistency import check_backbone, check_task
from cfedge.bundle.evidence import check_calibration, check_certificate
from cfedge.bundle.fileref import FileRef, check_digest, check_file
from cfedge.bundle.manifest import Backbone, Certificate, Task
from cfedge.bundle.names import check_name
from cfedge.calibration import Calibration
from cfedge.errors import SchemaError
from cfedge.values import json_fault

__all__ = ["Body", "ENTRY_BYTES", "Entry", "Measured", "Removed", "TaskAdded", "parse_entry"]

#: Longest line: some 5,000 labels of 200 characters.
ENTRY_BYTES = 2 << 20


@dataclass(frozen=True)
class TaskAdded:
    """A task, learned on the backbone of digest `base`."""

    task: Task
    base: str


@dataclass(frozen=True)
class Measured:
    """What depends on the other tasks, of the task entry `of`, measured among others than when that
    was published.
    """

    of: str
    certificate: Certificate
    threshold: float
    false_reject_rate: float
    calibration: Calibration
    golden: FileRef


@dataclass(frozen=True)
class Removed:
    """A tombstone; with `erase`, devices and mirrors must also delete the files of what it
    replaces.
    """

    erase: bool


Body = Backbone | TaskAdded | Measured | Removed
_KINDS: dict[str, Any] = {
    "backbone": Backbone,
    "measured": Measured,
    "removed": Removed,
    "task": TaskAdded,
}


@dataclass(frozen=True)
class Entry:
    """One line.

    Attributes
    ----------
    kind
        ``backbone``, ``task``, ``measured`` or ``removed``.
    name
        Of the task, or of the backbone.
    site
        Who published it.
    clock
        Lamport's: above that of every entry its site knew.
    replaces
        Digests of the entries that its site knew and that this one takes the place of, sorted.
    body
        By kind.
    """

    kind: str
    name: str
    site: str
    clock: int
    replaces: tuple[str, ...]
    body: Body

    @cached_property
    def line(self) -> bytes:
        """Its bytes, without the newline that ends it in a log."""
        return canonical_json(dataclasses.asdict(self))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `line`."""
        return hashlib.sha256(self.line).hexdigest()

    @property
    def order(self) -> tuple[int, str, str]:
        """Of entries that do not know each other the greatest stands, the same at every site."""
        return self.clock, self.site, self.digest

    def files(self) -> dict[str, FileRef]:
        """Its files, by the role that errors name."""
        if isinstance(self.body, Backbone):
            return self.body.files()
        if isinstance(self.body, TaskAdded):
            return {
                f"{part} of task {self.name!r}": getattr(self.body.task, part)
                for part in ("adapter", "signature", "golden")
            }
        if isinstance(self.body, Measured):
            return {f"golden of task {self.name!r}": self.body.golden}
        return {}


def parse_entry(line: bytes) -> Entry:
    """Read one line, refusing all that `Entry.line` would not write.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    if len(line) > ENTRY_BYTES:
        raise SchemaError(
            f"entry: expected at most {ENTRY_BYTES} bytes, found {len(line)}; publish it again"
        )
    try:
        content = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SchemaError(
            f"entry: expected canonical JSON, found {json_fault(error)}; publish it again"
        ) from error
    fields = {field.name for field in dataclasses.fields(Entry)}
    if not isinstance(content, dict) or set(content) != fields:
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise SchemaError(
            f"entry: expected fields {sorted(fields)}, found {found!s:.300}; publish it again"
        )
    kind = content["kind"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SchemaError(
            f"entry: expected a kind of {sorted(_KINDS)}, found {kind!r:.80}; install a newer"
            " cfedge"
        )
    where = f"entry of {kind}"
    plain = {name: typed(hint, content[name], f"{where}.{name}") for name, hint in _PLAIN.items()}
    entry = Entry(kind=kind, body=typed(_KINDS[kind], content["body"], f"{where}.body"), **plain)
    _check(entry, where)
    try:
        same = entry.line == line
    except ValueError:  # NaN and infinity have no canonical form
        same = False
    if not same:
        raise SchemaError(
            f"{where} {entry.name!r:.80}: expected canonical JSON, found another form; publish it"
            " again"
        )
    return entry


_PLAIN: dict[str, Any] = {"name": str, "site": str, "clock": int, "replaces": tuple[str, ...]}


def _check(entry: Entry, where: str) -> None:
    for field, value in (("name", entry.name), ("site", entry.site)):
        check_name(f"{where}.{field}", value, "publish it again")
    if entry.clock < 1:
        raise SchemaError(f"{where}.clock: expected >= 1, found {entry.clock}; publish it again")
    if list(entry.replaces) != sorted(set(entry.replaces)):
        raise SchemaError(
            f"{where}.replaces: expected digests in order, each once, found another order; publish"
            " it again"
        )
    digests = [*entry.replaces, *([entry.body.base] if isinstance(entry.body, TaskAdded) else [])]
    digests += [entry.body.of] if isinstance(entry.body, Measured) else []
    for digest in digests:
        check_digest(where, digest, "publish it again")
    if isinstance(entry.body, Backbone):
        check_backbone(entry.body)
    elif isinstance(entry.body, TaskAdded):
        check_task(entry.body.task)
        if entry.body.task.name != entry.name:
            raise SchemaError(
                f"{where}.name: expected {entry.body.task.name!r}, found {entry.name!r}; publish it"
                " again"
            )
    elif isinstance(entry.body, Measured):
        check_certificate(entry.name, entry.body.certificate)
        check_calibration(entry.name, entry.body.calibration)
        check_file(f"golden of task {entry.name!r}", entry.body.golden)
        if not 0 < entry.body.false_reject_rate < 1:
            raise SchemaError(
                f"{where}: expected a rate in (0, 1), found {entry.body.false_reject_rate}; publish"
                " it again"
            )
