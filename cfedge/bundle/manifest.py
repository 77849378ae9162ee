"""The manifest: what a bundle says about itself. Pure records, and their one byte form.

Rules: canonical JSON, so one manifest has exactly one byte form; its own SHA-256 is a field of it;
files are named by SHA-256 and size. Reading and checking one is `cfedge.bundle.reading`'s, the
files are `cfedge.bundle.files`'.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import field
from functools import cached_property

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.fileref import FileRef
from cfedge.calibration import Calibration
from cfedge.inputs import Spec
from cfedge.lookups import DEFAULT
from cfedge.margins import Margins
from cfedge.records import record

__all__ = [
    "Backbone",
    "Certificate",
    "Manifest",
    "SCHEMA",
    "Slot",
    "Task",
    "serialize",
]

#: Version of the bundle format that this program reads and writes.
SCHEMA = 1


@record(frozen=True)
class Slot:
    """A place for a low-rank pair: ``a.<name>`` [ab, rows, rank], ``b.<name>`` [ab, rank, columns],
    float32.
    """

    name: str
    rows: int
    columns: int


@record(frozen=True)
class Backbone:
    """The frozen encoder: trunk + tail, cut before block `split` of `blocks`.

    Attributes
    ----------
    input
        What it reads.
    hidden
        Sizes of one input's hidden states, between trunk and tail; None where they differ from
        input to input.
    views
        Widths of the trunk's features: directions of length 1, side by side.
    width
        Of the tail's features.
    background
        What inputs of no task look like to it (`cfedge.lookup.background`); None: nobody knows.
    frozen_views
        How many of the first views are, together, the tail's features without an adapter: such a
        trunk runs the tail's blocks too. 0: none are, and the tail is run. Where they are several
        the lookup reads all views at once (`cfedge.lookup.Slices`), elsewhere the first.
    """

    name: str
    source_sha256: str
    scheme: str
    blocks: int
    split: int
    width: int
    hidden: tuple[int | None, ...]
    views: tuple[int, ...]
    slots: tuple[Slot, ...]
    trunk: FileRef
    tail: FileRef
    input: Spec
    background: FileRef | None = None
    frozen_views: int = 0

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides what the backbone computes; adapters name it."""
        decisive = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in ("name", "source_sha256", "background")
        }
        return hashlib.sha256(canonical_json(decisive)).hexdigest()

    @property
    def lookup_width(self) -> int:
        """So many of the trunk's features, the first of them, the lookup reads."""
        return sum(self.views) if self.frozen_views > 1 else self.views[0]

    def files(self) -> dict[str, FileRef]:
        """Its files by role."""
        files = {"trunk": self.trunk, "tail": self.tail, **self.input.files()}
        return files if self.background is None else {**files, "background": self.background}


@record(frozen=True)
class Certificate:
    """How often the lookup picks another task, and how often the whole answer is wrong, measured on
    held-out examples against all `tasks` of the bundle.

    `wrong_task_at_most` is Clopper and Pearson's upper confidence bound, BetaInv(1 - alpha/tasks;
    errors + 1, held_out - errors): all tasks' bounds hold together with probability >= 1 - alpha.
    `rival` took `rival_errors` of the errors. `wrong` are the examples whose task or label was not right,
    and `wrong_answer_at_most` bounds their rate in the same way.

    Of `own` held-out examples that the lookup gives to the task, `own_rejected` are called unknown at
    its threshold; of `foreign` public inputs of no task that the lookup gives to it, and of `others`
    held-out examples of the other tasks, were they given to it, `foreign_caught` and
    `others_caught` are. 0 of 0: it was not measured.
    """

    held_out: int
    errors: int
    wrong_task_at_most: float
    alpha: float
    tasks: int
    rival: str | None
    rival_errors: int
    wrong: int
    wrong_answer_at_most: float
    own: int = 0
    own_rejected: int = 0
    foreign: int = 0
    foreign_caught: int = 0
    others: int = 0
    others_caught: int = 0


@record(frozen=True)
class Task:
    """One task: classes, files, the rule and the threshold by which an input is unknown, and its
    certificate. `same_labels` are those of its classes that mean the same as another task's, and
    what they mean (`cfedge.meanings`).
    """

    name: str
    classes: tuple[str, ...]
    rank: int
    threshold: float
    false_reject_rate: float
    calibration: Calibration
    certificate: Certificate
    adapter: FileRef
    signature: FileRef
    golden: FileRef
    same_labels: dict[str, str] = field(default_factory=dict)


@record(frozen=True)
class Manifest:
    """A whole bundle; `lookup` names one of `cfedge.lookup.rules`, and `margins` are those below
    which it looks closer.
    """

    backbone: Backbone
    tasks: tuple[Task, ...]
    lookup: str = DEFAULT
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


def serialize(manifest: Manifest) -> bytes:
    """Return the manifest's bytes, its own digest included."""
    body = json.loads(canonical_json(dataclasses.asdict(manifest)))
    body["sha256"] = hashlib.sha256(canonical_json(body)).hexdigest()
    return canonical_json(body)
