"""What a report says, as plain values: the page draws it, ``--json`` prints it, and a later report is
held against it. Reading an old one is here too.

Letters: T tasks, C classes.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.manifest import Certificate
from cfedge.errors import SchemaError, StorageError, UsageError

__all__ = [
    "Backbone",
    "Bench",
    "CellInputs",
    "ClassConfusion",
    "ClusterMap",
    "Confusion",
    "Contents",
    "Counted",
    "Drift",
    "Example",
    "Faithfulness",
    "Golden",
    "MapPoint",
    "Parity",
    "Task",
    "TaskThresholds",
    "Thresholds",
    "dumped",
    "is_report",
    "parsed",
    "read_old",
]

#: Of the report's JSON.
SCHEMA = 1
#: Bytes of an old report that are read: twice what one may have.
_MOST_BYTES = 8_000_000
_DATA = re.compile(rb'<script type="application/json" id="report-data">(.*?)</script>', re.S)


@dataclass(frozen=True)
class Backbone:
    """The encoder, as its record names it; `size_bytes` of its files as they ship."""

    name: str
    scheme: str
    reads: str
    blocks: int
    split: int
    width: int
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes
    ----------
    method, examples
        How it was learned and from how many examples; None in a bundle, which does not say.
    size_bytes
        Of its files: in a bundle what travels, in a workspace what is kept.
    """

    name: str
    classes: tuple[str, ...]
    method: str | None
    examples: int | None
    size_bytes: int
    threshold: float
    false_reject_rate: float
    certificate: Certificate


@dataclass(frozen=True)
class MapPoint:
    """A class's cluster on the map; `examples` it was made from."""

    task: str
    label: str
    examples: int
    x: float
    y: float


@dataclass(frozen=True)
class Faithfulness:
    """How far the map may be believed (`cfedge.report.clusters`).

    Attributes
    ----------
    neighbours, kept_neighbours
        So many nearest clusters of each are looked at; the share of them that are among as many
        nearest on the map too.
    nearest_task
        Share of the clusters whose nearest cluster of another task is of the same task on the map.
    rank_correlation
        Spearman's, between the distances of all pairs and those on the map.
    """

    neighbours: int
    kept_neighbours: float
    nearest_task: float | None
    rank_correlation: float


@dataclass(frozen=True)
class ClusterMap:
    """Clusters in the plane, from the signatures alone."""

    method: str
    points: tuple[MapPoint, ...]
    faithfulness: Faithfulness | None


@dataclass(frozen=True)
class Example:
    """An input, as it may be shown: a text, or a picture as a data URI and its name."""

    shown: str
    picture: str | None
    task: str
    label: str
    found_task: str
    found_label: str | None
    unknown: bool


@dataclass(frozen=True)
class CellInputs:
    """A cell's inputs: positions in `Confusion.examples`; `more` are left out."""

    cell: str
    examples: tuple[int, ...]
    more: int


@dataclass(frozen=True)
class ClassConfusion:
    """One task's held-out inputs: true class (rows) against the answer (columns): its classes, then
    other tasks.
    """

    task: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    left_out: int


@dataclass(frozen=True)
class Confusion:
    """Held-out inputs by true task (rows) and task found (columns), and within tasks by class.

    `left_out` tasks had no inputs that went elsewhere, and no room.
    """

    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    left_out: int
    classes: tuple[ClassConfusion, ...]
    examples: tuple[Example, ...]
    cells: tuple[CellInputs, ...]


@dataclass(frozen=True)
class TaskThresholds:
    """One task at every rate of `Thresholds.rates`; `known` and `unknown` inputs were given to it.

    Attributes
    ----------
    threshold
        Out-of-distribution score above which an input is unknown.
    rejected, caught
        Of those inputs, the number above it.
    """

    task: str
    known: int
    unknown: int
    threshold: tuple[float, ...]
    rejected: tuple[int, ...]
    caught: tuple[int, ...]


@dataclass(frozen=True)
class Thresholds:
    """What every false-reject rate would give, with all tasks together.

    Attributes
    ----------
    source
        Where unknown inputs are from: ``held back`` (each task's own inputs, answered by the
        others) or ``given``.
    rates
        As ``cfedge export --false-reject`` takes them, ascending.
    known, unknown
        Inputs.
    rejected, caught
        Shares of them that are called unknown.
    wrong
        Of the known inputs that are not, the share whose task or label is wrong.
    auroc
        Of the scores less the thresholds at the default rate: the probability that an unknown input
        has the larger one.
    """

    source: str
    rates: tuple[float, ...]
    known: int
    unknown: int
    rejected: tuple[float, ...]
    caught: tuple[float, ...]
    wrong: tuple[float, ...]
    auroc: float | None
    tasks: tuple[TaskThresholds, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    risk_with_unknown: tuple[float, ...]


@dataclass(frozen=True)
class Golden:
    """A golden vector, as the bundle holds it: an input with the answers that it should get."""

    task: str
    shown: str
    picture: str | None
    label: str
    found_task: str


@dataclass(frozen=True)
class Bench:
    """What ``cfedge bench --json`` measured; times in milliseconds, `times` of each call."""

    machine: str
    cpu: str
    cores: int
    threads: int
    p50: float
    p90: float
    p99: float
    cold_p50: float
    peak_rss_bytes: int
    times: tuple[float, ...]


@dataclass(frozen=True)
class Parity:
    """One task's accuracy in float32 and as it ships, of ``cfedge export --json``; points of drop with
    their interval.
    """

    task: str
    examples: int
    accuracy_float: float
    accuracy_shipped: float
    drop: float
    low: float
    high: float
    agreement: float


@dataclass(frozen=True)
class Counted:
    """A counter of ``--monitor``: hits among inputs, whose rate was promised to be at most `bound`."""

    counter: str
    inputs: int
    hits: int
    bound: float
    alarmed: int | None


@dataclass(frozen=True)
class Drift:
    """Counters of a device; `alpha` is the probability of ever raising a false alarm. `same_bundle`
    tells whether they are of this bundle; None where that cannot be said.
    """

    alpha: float
    same_bundle: bool | None
    counters: tuple[Counted, ...]


@dataclass(frozen=True)
class Contents:
    """A whole report.

    Attributes
    ----------
    of
        ``workspace``, ``bundle`` or ``store``.
    digest
        Of the bundle's manifest; None of a workspace.
    machine
        Where a workspace's report was made; None of a bundle, which knows of none.
    """

    of: str
    digest: str | None
    backbone: Backbone
    versions: dict[str, str]
    machine: str | None
    tasks: tuple[Task, ...]
    clusters: ClusterMap
    confusion: Confusion | None = None
    thresholds: Thresholds | None = None
    golden: tuple[Golden, ...] = ()
    bench: Bench | None = None
    parity: tuple[Parity, ...] = ()
    drift: Drift | None = None
    schema: int = field(default=SCHEMA)


def dumped(contents: Contents) -> bytes:
    """Return the one JSON form of a report."""
    return canonical_json(dataclasses.asdict(contents))


def parsed(data: bytes, what: str) -> Contents:
    """Read what `dumped` wrote; `what` names it in errors.

    Raises
    ------
    UsageError
        It is no report of this version of cfedge.
    """
    try:
        value: Any = json.loads(data)
        if isinstance(value, dict):
            value.pop("changes", None)  # what --json tells besides
        if isinstance(value, dict) and value.get("schema") != SCHEMA:
            raise SchemaError(f"schema: expected {SCHEMA}, found {str(value.get('schema'))[:20]!r}")
        contents: Contents = typed(Contents, value, "report")
    except (SchemaError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{what}: expected a report of this version of cfedge, found none: {error}; make it with:"
            " cfedge report"
        ) from error
    return contents


def is_report(path: Path) -> bool:
    """Whether a file is a report, its page or its JSON, of any version; nothing of it is checked."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    return _DATA.search(data) is not None or (
        data[:1] == b"{" and b'"clusters"' in data and b'"schema"' in data
    )


def read_old(path: Path) -> Contents:
    """Read an earlier report, its page or its JSON.

    Raises
    ------
    UsageError
        It is none.
    StorageError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}; check the path") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"{path}: expected a report of at most {_MOST_BYTES / 1e6:.0f} MB, found more; name"
            " another file"
        )
    found = _DATA.search(data)
    return parsed(found.group(1) if found else data, str(path))
