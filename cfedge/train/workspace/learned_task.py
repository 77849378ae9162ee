"""A learned task as the workspace keeps it: its record, adapter and head, signature and evidence,
and the files they are written to.

Where the files lie, and which of them are a workspace's tasks, is
`cfedge.train.workspace.folder`'s.

Letters: D width, C classes, N held-out examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.canonical import canonical_json, read_json, typed
from cfedge.inputs.modality import Input, Stored
from cfedge.lookup import Features, TaskSignature
from cfedge.train.examples.reading import Reading
from cfedge.train.features.curve import Point
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.measures.folds import Folds, dealt
from cfedge.train.measures.trial import Trial
from cfedge.train.settings import Settings

__all__ = ["HeldOut", "LearnedTask", "TASK_FILES", "TaskRecord", "parsed_adapter"]

Floats = NDArray[np.float32]

TASK_FILES = (
    "task.json",
    "adapter.safetensors",
    "signature.safetensors",
    "statistics.safetensors",
    "held_out.safetensors",
    "folds.safetensors",
)


@dataclass(frozen=True)
class HeldOut:
    """Evidence: N inputs, their classes int64 [N], the frozen features, the class that the task's
    own head answers int64 [N], and the probabilities that it gives to that and to the right class,
    float32 [N].
    """

    inputs: tuple[Input, ...]
    classes: NDArray[np.int64]
    features: Features
    answers: NDArray[np.int64]
    confidences: Floats
    likelihoods: Floats

    def dumped(self, stored: Stored) -> bytes:
        """Return the bytes of its file, with the inputs as their kind dumps them."""
        dumped = stored.dump(self.inputs)
        arrays = {
            **dumped.arrays,
            "classes": self.classes,
            "answers": self.answers,
            "confidences": self.confidences,
            "likelihoods": self.likelihoods,
            **self.features._asdict(),
        }
        return dump_arrays(arrays, {"inputs": dumped.notes})

    @classmethod
    def parsed(cls, data: bytes, what: str, stored: Stored) -> HeldOut:
        """Read what `dumped` wrote; `what` names it in errors (TypeError, KeyError, ValueError)."""
        arrays = load_arrays(data, what)
        notes = load_note(data, what)["inputs"]
        if not isinstance(notes, list):
            raise TypeError("inputs that are no list")
        dumped = {name: array for name, array in arrays.items() if name.startswith("input.")}
        inputs = stored.load(dumped, notes, what)
        trunk, tail, confidences, likelihoods = (
            arrays[name].astype(np.float32, copy=False)
            for name in ("trunk", "tail", "confidences", "likelihoods")
        )
        classes, answers = (
            arrays[name].astype(np.int64, copy=False) for name in ("classes", "answers")
        )
        return cls(tuple(inputs), classes, Features(trunk, tail), answers, confidences, likelihoods)


@dataclass(frozen=True)
class TaskRecord:
    """What ``task.json`` says: the task, how it was learned, and on which backbone.

    `settings` are those it was learned with, the method decided. `transfer` is the share of each
    earlier task, and of what is new (``new``), in the adapter's update; `kept_energy` what folding
    them into one pair kept of a target module's update, at least; `repeated` how many held-out
    inputs are, but for case and spaces, among those learned from; `same_labels` names those of its
    labels that mean what another task's do (`cfedge.train.examples.meanings`); `reading` counts
    what of the inputs the encoder cannot read; `updates` how often examples or classes were added;
    `curve` what fewer examples would have given (`cfedge.train.features.curve`), of the first
    version; `trial` what an adapter gained over the closed form, where it had to prove itself.
    """

    name: str
    classes: tuple[str, ...]
    examples: int
    base: str
    settings: Settings
    versions: dict[str, str]
    transfer: dict[str, float] = dataclasses.field(default_factory=dict)
    kept_energy: float = 1.0
    repeated: int = 0
    same_labels: dict[str, str] = dataclasses.field(default_factory=dict)
    reading: Reading = dataclasses.field(default_factory=Reading)
    updates: int = 0
    curve: tuple[Point, ...] = ()
    trial: Trial | None = None

    @property
    def curve_now(self) -> tuple[Point, ...]:
        """The learning curve, while the task is as it was learned: a changed one has other held-out
        examples than the curve counted.
        """
        return self.curve if self.curve and self.curve[-1].examples == self.examples else ()

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        return canonical_json(dataclasses.asdict(self))

    @classmethod
    def parsed(cls, data: bytes, what: str) -> TaskRecord:
        """Read what `dumped` wrote.

        Raises
        ------
        SchemaError, UsageError, ValueError
            It is not a record, or one of its settings cannot be.
        """
        record: TaskRecord = typed(TaskRecord, read_json(data, what), what)
        return record


@dataclass(frozen=True)
class LearnedTask:
    """A task whole: record, adapter and head (float32, by name), the signature of all its examples,
    the exact statistics of those that it was learned from, held-out evidence, and the signatures
    that the parts of this are judged by (`cfedge.train.measures.folds`).
    """

    record: TaskRecord
    adapter: Mapping[str, Floats]
    signature: TaskSignature
    statistics: TaskStatistics
    held_out: HeldOut
    folds: Folds

    @classmethod
    def made(
        cls,
        record: TaskRecord,
        adapter: Mapping[str, Floats],
        statistics: TaskStatistics,
        held_out: HeldOut,
    ) -> LearnedTask:
        """Make the signatures of a task: of all examples, and of all but each part of the held-out
        ones.
        """
        rank, features, classes = record.settings.class_rank, held_out.features, held_out.classes
        parts = dealt(features, classes)
        without = []
        for part in range(int(parts.max()) + 1):
            rows = parts != part
            others = Features(features.trunk[rows], features.tail[rows])
            without.append(statistics.signature(rank, others, classes[rows]))
        whole = statistics.signature(rank, features, classes)
        return cls(record, adapter, whole, statistics, held_out, Folds(parts, tuple(without)))

    def files(self, stored: Stored) -> dict[str, bytes]:
        """Return its files by name, as `TASK_FILES`; `stored` dumps the held-out inputs."""
        return {
            "task.json": self.record.dumped(),
            "adapter.safetensors": dump_arrays(self.adapter),
            "signature.safetensors": dump_arrays(self.signature.arrays()),
            "statistics.safetensors": self.statistics.dumped(),
            "held_out.safetensors": self.held_out.dumped(stored),
            "folds.safetensors": self.folds.dumped(),
        }


def parsed_adapter(data: bytes, what: str) -> dict[str, Floats]:
    """Read adapter and head, float32 by name."""
    arrays = load_arrays(data, what)
    return {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}
