"""Golden vectors: a few inputs a task with the answers of the workshop, to check the arithmetic of
a machine.

int8 results differ between CPU families by rounding, so features are compared by cosine and
decisions by equality. A bundle is checked when it is first opened on a machine
(`cfedge.runtime.verification`); that it passed is noted in the user's cache under everything that decides
the arithmetic, and not checked again until one of these changes.

Letters: N vectors, D width.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import Bundle, dump_arrays, load_arrays, load_note
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import IncompatibleError
from cfedge.inputs import versions
from cfedge.inputs.modality import Input, Modality
from cfedge.runtime.session import RUNTIME_VERSION
from cfedge.version import __version__

__all__ = [
    "Answer",
    "Answering",
    "MIN_COSINE",
    "check_golden",
    "golden_arrays",
    "golden_inputs",
    "has_passed",
    "note_passed",
]

#: Smallest accepted cosine between features here and in the workshop: .998 was measured between CPU
#: families, and .990 between releases of ONNX Runtime that answer alike (docs/decisions/0012-doctor.md).
#: Answers must be the same besides.
MIN_COSINE = 0.98


class Answer(Protocol):
    """What is compared of a prediction."""

    @property
    def task(self) -> str:
        """Its task."""

    @property
    def label(self) -> str:
        """Its label."""


class Answering(Protocol):
    """What is checked: `cfedge.Engine`, which itself calls this module."""

    @property
    def modality(self) -> Modality:
        """What prepares the inputs."""

    def predict(self, inputs: Sequence[Input], *, task: str | None = None) -> Sequence[Answer]:
        """Answer each input."""

    def embeddings(self, inputs: Sequence[Input], task: str) -> NDArray[np.float32]:
        """Return the tail's features [N, D] with the task known."""


def golden_arrays(engine: Answering, task: str, inputs: Sequence[Input]) -> bytes:
    """Answer `inputs` and serialize: ``embeddings`` float16 [N, D] with the task known, the full
    answers, and the inputs as their kind dumps them.
    """
    dumped = engine.modality.dump(inputs)
    note = {
        "inputs": dumped.notes,
        "tasks": [answer.task for answer in engine.predict(inputs)],
        "labels": [answer.label for answer in engine.predict(inputs, task=task)],
    }
    embeddings = engine.embeddings(inputs, task).astype(np.float16)
    return dump_arrays({"embeddings": embeddings, **dumped.arrays}, note)


def golden_inputs(
    modality: Modality, data: bytes, what: str, most: int | None = None
) -> list[Input]:
    """Return the inputs in a file of golden vectors, at most `most`.

    Raises
    ------
    IncompatibleError
        They are none of the kind.
    """
    notes = load_note(data, what).get("inputs")
    if not isinstance(notes, list):
        raise IncompatibleError(
            f"{what}: expected a list of inputs, found {type(notes).__name__}; export the bundle"
            " again"
        )
    arrays = {
        name: array for name, array in load_arrays(data, what).items() if name != "embeddings"
    }
    return modality.load(arrays, notes, what)[:most]


def has_passed(manifest: Manifest, threads: int) -> bool:
    """Whether this machine is noted to have passed the bundle's check."""
    return _mark(manifest, threads)[0].is_file()


def note_passed(manifest: Manifest, threads: int) -> None:
    """Note that this machine passed; where nothing can be noted it is checked every time."""
    path, content = _mark(manifest, threads)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _mark(manifest: Manifest, threads: int) -> tuple[Path, bytes]:
    cpu = this_cpu()
    content = canonical_json({
        "cfedge": __version__, "bundle": manifest.digest, "cpu": [cpu.machine, cpu.name, *cpu.flags],
        "numpy": np.__version__, "onnxruntime": RUNTIME_VERSION, "threads": threads,
        **versions(manifest.backbone.input.kind),
    })  # fmt: skip
    return _cache() / "passed" / hashlib.sha256(content).hexdigest(), content


def _cache() -> Path:
    """``$CFEDGE_CACHE``, or ``cfedge`` in the user's cache."""
    own = os.environ.get("CFEDGE_CACHE")
    return (
        Path(own)
        if own
        else Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "cfedge"  # noqa: PTH111 - Path.home raises without a home
    )


def check_golden(
    engine: Answering,
    bundle: Bundle,
    vectors: Mapping[str, int] | None = None,
    among: Collection[str] = (),
) -> float:
    """Answer golden vectors of `bundle` with `engine` and return the smallest cosine.

    Parameters
    ----------
    engine
        Of `bundle`.
    bundle
        Its tasks' golden vectors are all read and their form is checked.
    vectors
        How many to answer of each task, by name, 0 where it is not named; otherwise all of every
        task.
    among
        Tasks of the engine, where they are more than those of `bundle`. An input that went to a task
        that the engine has not, since the device asked for some of a channel's only, may go to any.

    Raises
    ------
    IncompatibleError
        Naming the task and the vector that this machine answers differently.
    """
    smallest = 1.0
    known = {*among, *(task.name for task in bundle.manifest.tasks)}
    for task in bundle.manifest.tasks:
        what = f"golden vectors of task {task.name!r}"
        arrays = load_arrays(bundle[task.golden], what)
        if "embeddings" not in arrays:
            raise IncompatibleError(
                f"{what}: expected the array embeddings, found {sorted(arrays)}; export the bundle"
                " again"
            )
        embeddings = arrays["embeddings"].astype(np.float32)
        note = load_note(bundle[task.golden], what)
        inputs = golden_inputs(engine.modality, bundle[task.golden], what)
        labels, tasks = (_strings(note, key, what) for key in ("labels", "tasks"))
        counts = {len(inputs), len(labels), len(tasks), len(embeddings)}
        width = bundle.manifest.backbone.width
        if len(counts) > 1 or not inputs or embeddings.shape != (len(inputs), width):
            raise IncompatibleError(
                f"{what}: expected as many inputs, labels, tasks and rows of embeddings [N,"
                f" {width}], at least one, found {len(inputs)}, {len(labels)}, {len(tasks)} and"
                f" {list(embeddings.shape)}; export the bundle again"
            )
        if vectors is not None:
            inputs = inputs[: vectors.get(task.name, 0)]
            embeddings = embeddings[: len(inputs)]
        if not inputs:
            continue
        here = engine.embeddings(inputs, task.name)
        cosines = (here * embeddings).sum(axis=1) / np.maximum(
            np.linalg.norm(embeddings, axis=1), np.finfo(np.float32).tiny
        )
        smallest = min(smallest, float(cosines.min()))
        answers, free = engine.predict(inputs, task=task.name), engine.predict(inputs)
        for row, value in enumerate(inputs):
            found = (answers[row].label, free[row].task if tasks[row] in known else tasks[row])
            if not cosines[row] >= MIN_COSINE or found != (labels[row], tasks[row]):
                raise IncompatibleError(
                    f"{what}: expected {labels[row]!r} of task {tasks[row]!r} and cosine >="
                    f" {MIN_COSINE} for vector {row} ({engine.modality.name(value)[:42]}), found {found[0]!r} of"
                    f" {found[1]!r} and {cosines[row]:.4f}; this machine computes differently:"
                    " export for it"
                )
    return smallest


def _strings(note: dict[str, object], key: str, what: str) -> list[str]:
    value = note.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise IncompatibleError(
            f"{what}: expected a list of names as {key}, found {value!r:.40}; export the bundle"
            " again"
        )
    return value
