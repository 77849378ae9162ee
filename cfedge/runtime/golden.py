"""Golden vectors: a few inputs a task with the answers of the workshop, to check the arithmetic of
a machine.

int8 results differ between CPU families by rounding, so features are compared by cosine and
decisions by equality. A bundle is checked when it is first opened on a machine
(`cfedge.runtime.verification`).

Letters: N vectors, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Task
from cfedge.errors import IncompatibleError
from cfedge.inputs.modality import Input, Modality
from cfedge.runtime.engine import Engine

__all__ = [
    "MIN_COSINE",
    "check_golden",
    "golden_arrays",
    "golden_inputs",
    "listed",
]

#: Smallest accepted cosine between features here and in the workshop: .998 was measured between CPU
#: families, and .990 between releases of ONNX Runtime that answer alike
#: (docs/decisions/0012-doctor.md). Answers must be the same besides.
MIN_COSINE = 0.98


class _Vectors(NamedTuple):
    """N inputs with their notes, the answers that they should get, and the features float32 [N, D]
    that the workshop got with the task known.
    """

    inputs: list[Input]
    notes: list[Any]
    labels: list[str]
    tasks: list[str]
    embeddings: NDArray[np.float32]


def golden_arrays(engine: Engine, task: str, inputs: Sequence[Input]) -> bytes:
    """Serialize `inputs` as their kind dumps them, and what these dumped inputs are answered:
    ``embeddings`` float16 [N, D] with the task known, and the full answers.
    """
    arrays, notes = engine.modality.dump(inputs)
    dumped = engine.modality.load(arrays, notes, f"golden vectors of task {task!r}")
    note = {
        "inputs": notes,
        "tasks": [answer.task for answer in engine.predict(dumped)],
        "labels": [answer.label for answer in engine.predict(dumped, task=task)],
    }
    embeddings = engine.opened.embeddings(dumped, task).astype(np.float16)
    return dump_arrays({"embeddings": embeddings, **arrays}, note)


def golden_inputs(
    modality: Modality, data: bytes, what: str, most: int | None = None
) -> list[Input]:
    """Return the inputs in a file of golden vectors, at most `most`.

    Raises
    ------
    IncompatibleError
        They are none of the kind.
    """
    arrays = load_arrays(data, what)
    arrays.pop("embeddings", None)
    return modality.load(arrays, listed(load_note(data, what), "inputs", what), what)[:most]


def check_golden(
    engine: Engine,
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
        Tasks of the engine, where they are more than those of `bundle`. An input that went to a
        task that the engine has not, since the device asked for some of a channel's only, may go to
        any.

    Raises
    ------
    IncompatibleError
        Naming the task and the vector that this machine answers differently.
    """
    smallest = 1.0
    known = {*among, *(task.name for task in bundle.manifest.tasks)}
    for task in bundle.manifest.tasks:
        what = f"golden vectors of task {task.name!r}"
        vectors_here = _read(engine.modality, bundle, task, what)
        count = len(vectors_here.inputs) if vectors is None else vectors.get(task.name, 0)
        if count:
            smallest = min(
                smallest, _check_task(engine, task.name, vectors_here, count, known, what)
            )
    return smallest


def _read(modality: Modality, bundle: Bundle, task: Task, what: str) -> _Vectors:
    data = bundle[task.golden]
    arrays, note = load_arrays(data, what), load_note(data, what)
    if "embeddings" not in arrays:
        raise IncompatibleError(
            f"{what}: expected the array embeddings, found {sorted(arrays)}; export the bundle"
            " again"
        )
    if arrays["embeddings"].dtype != np.float16:
        raise IncompatibleError(
            f"{what}: expected embeddings float16, found {arrays['embeddings'].dtype}; export the"
            " bundle again"
        )
    embeddings = arrays["embeddings"].astype(np.float32)
    notes = listed(note, "inputs", what)
    inputs = golden_inputs(modality, data, what)
    labels, tasks = (_strings(note, key, what) for key in ("labels", "tasks"))
    counts = {len(inputs), len(labels), len(tasks), len(embeddings)}
    width = bundle.manifest.backbone.width
    if len(counts) > 1 or not inputs or embeddings.shape != (len(inputs), width):
        raise IncompatibleError(
            f"{what}: expected as many inputs, labels, tasks and rows of embeddings [N,"
            f" {width}], at least one, found {len(inputs)}, {len(labels)}, {len(tasks)} and"
            f" {list(embeddings.shape)}; export the bundle again"
        )
    return _Vectors(inputs, notes, labels, tasks, embeddings)


def _check_task(
    engine: Engine, name: str, vectors: _Vectors, count: int, known: Collection[str], what: str
) -> float:
    """Answer the first `count` vectors of a task and return the smallest cosine."""
    inputs, embeddings = vectors.inputs[:count], vectors.embeddings[:count]
    here = engine.opened.embeddings(inputs, name)
    cosines = (here * embeddings).sum(axis=1) / np.maximum(
        np.linalg.norm(embeddings, axis=1), np.finfo(np.float32).tiny
    )
    given, free = engine.predict(inputs, task=name), engine.predict(inputs)
    for row, value in enumerate(inputs):
        label, task = vectors.labels[row], vectors.tasks[row]
        answer = (given[row].label, free[row].task if task in known else task)
        if not cosines[row] >= MIN_COSINE or answer != (label, task):
            remark = engine.modality.remark(inputs, vectors.notes[:count])
            raise IncompatibleError(
                f"{what}: expected {label!r} of task {task!r} and cosine >= {MIN_COSINE} for vector"
                f" {row} ({engine.modality.name(value)[:42]}), found {answer[0]!r} of {answer[1]!r}"
                f" and {cosines[row]:.4f}{remark}; this machine computes differently: export for it"
            )
    return float(cosines.min())


def listed(note: Mapping[str, object], key: str, what: str) -> list[Any]:
    """Return a list that stands in a golden file's note.

    Raises
    ------
    IncompatibleError
        There is none; `what` names the file.
    """
    value = note.get(key)
    if not isinstance(value, list):
        raise IncompatibleError(
            f"{what}: expected a list as {key}, found {type(value).__name__}; export the bundle"
            " again"
        )
    return value


def _strings(note: dict[str, object], key: str, what: str) -> list[str]:
    value = note.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise IncompatibleError(
            f"{what}: expected a list of names as {key}, found {value!r:.40}; export the bundle"
            " again"
        )
    return value
