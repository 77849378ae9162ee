"""Golden vectors: a few inputs a task with the answers of the workshop, to check the arithmetic of
a machine.

int8 results differ between CPU families by rounding, so features are compared by cosine and
decisions by equality. A bundle is checked when it is first opened on a machine
(`cfedge.runtime.verification`).

Letters: N vectors, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from cfedge.bundle.files import Bundle, dump_arrays, load_arrays, load_note
from cfedge.errors import IncompatibleError
from cfedge.inputs.modality import Input, Modality
from cfedge.runtime.engine import Engine

__all__ = [
    "MIN_COSINE",
    "check_golden",
    "golden_arrays",
    "golden_inputs",
]

#: Smallest accepted cosine between features here and in the workshop: .998 was measured between CPU
#: families, and .990 between releases of ONNX Runtime that answer alike (docs/decisions/0012-doctor.md).
#: Answers must be the same besides.
MIN_COSINE = 0.98


def golden_arrays(engine: Engine, task: str, inputs: Sequence[Input]) -> bytes:
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
