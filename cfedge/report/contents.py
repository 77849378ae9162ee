"""What a report says, as plain values: the page draws it, ``--json`` prints it, and a later report is
held against it (`cfedge.report.earlier`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Certificate
from cfedge.lookups import DEFAULT
from cfedge.report.evidence import ClusterMap, Confusion, Sureness, Thresholds

__all__ = [
    "Backbone",
    "Bench",
    "Contents",
    "Counted",
    "Drift",
    "Golden",
    "Parity",
    "SCHEMA",
    "Task",
    "dumped",
]

#: Of the report's JSON.
SCHEMA = 1


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
    """A counter of ``--monitor``: hits among inputs, whose rate was promised to be at most `bound`.
    `near` says how near an alarm it was after `after` inputs (`cfedge.runtime.drift_counter`).
    """

    counter: str
    inputs: int
    hits: int
    bound: float
    alarmed: int | None
    after: tuple[int, ...] = ()
    near: tuple[float, ...] = ()


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
    lookup
        What finds the task of an input (`cfedge.lookups`).
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
    sureness: Sureness | None = None
    golden: tuple[Golden, ...] = ()
    bench: Bench | None = None
    parity: tuple[Parity, ...] = ()
    drift: Drift | None = None
    lookup: str = DEFAULT
    schema: int = field(default=SCHEMA)


def dumped(contents: Contents) -> bytes:
    """Return the one JSON form of a report."""
    return canonical_json(dataclasses.asdict(contents))
