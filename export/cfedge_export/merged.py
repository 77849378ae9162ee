"""One task -> one plain ONNX file, ``input_ids`` -> ``scores``: for whoever wants the answers and
nothing else of cfedge.

Trunk, tail, the task's low-rank units (in place, as shipped: int8 values turned to float) and its
head in one graph. It does not route, calls nothing unknown, and always runs the tail, also where
the trunk's part of the head decides alone; but for a head in closed form where the trunk's views
are the frozen tail's features (`cfedge.bundle.manifest.Backbone`). Merging the units into the weights would quantise these
anew and give other answers.

Letters: B batch, S sequence, C classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from cfedge.errors import ParityError, StorageError, TaskError
from cfedge.inputs.modality import Input, Modality
from cfedge.outside import check_file
from cfedge.progress import Progress
from cfedge.runtime.adapter import load_adapter
from cfedge.runtime.engine import Engine
from cfedge.runtime.session import open_session
from cfedge.storage import write_file
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate
from cfedge_export.build_bundle import build
from cfedge_export.merged_graph import SCORES, merge

__all__ = ["Merged", "TOLERANCE", "export_merged"]

#: Of a score against the engine's: the head is a product of float32 in both, the rest are the same
#: nodes. Scores of a thousand and more, as an encoder of one's own may have, are rounded by more.
TOLERANCE = 1e-4
_ROUNDED = 1e-6


@dataclass(frozen=True)
class Merged:
    """What was written: bytes, inputs, labels in the order of ``scores``, the largest difference to
    the engine's scores, parity.
    """

    size_bytes: int
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    difference: float
    parity: parity.TaskParity


def export_merged(
    workspace: WorkspaceFolder,
    name: str,
    target: Path,
    *,
    gate: parity_gate.Gate | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Merged:
    """Write a task's file, if the engine answers its held-out inputs alike and the parity gate
    passes.

    Raises
    ------
    TaskError
        There is no such task, or it has one class: there is nothing to score.
    ParityError
        Its scores are not the engine's, or the gate is missed; nothing was written.
    StorageError
        The disk refused, or `target` exists and `replace` is false; nothing was written.
    """
    if len(workspace.record(name).classes) == 1:
        raise TaskError(
            f"task {name!r}: expected at least 2 classes to score, found 1; a file that finds the"
            " task too is what cfedge export writes without --merged"
        )
    _check_new(target, replace=replace)
    bundle = build(workspace, progress)
    engine, backbone = Engine(bundle), bundle.manifest.backbone
    task = next(task for task in bundle.manifest.tasks if task.name == name)
    trunk, tail = (onnx.load_from_string(bundle[ref]) for ref in (backbone.trunk, backbone.tail))
    adapter = load_adapter(bundle[task.adapter], task, backbone)
    model = merge(trunk, tail, adapter, backbone.frozen_views)
    stated = {
        "task": name,
        "labels": json.dumps(task.classes, ensure_ascii=False),
        "base": backbone.digest,
        "scheme": backbone.scheme,
    }
    helper.set_model_props(model, {f"cfedge.{key}": value for key, value in stated.items()})
    data: bytes = model.SerializeToString(deterministic=True)
    inputs = workspace.held_out(name).inputs
    scores = engine.opened.class_scores(inputs, name)
    difference = _difference(data, engine.modality, inputs, scores)
    limit = _limit(scores)
    if not difference <= limit:
        raise ParityError(
            f"task {name!r}: expected the merged graph to score within {limit:.2g} of the engine,"
            f" found {difference:.2g}; nothing was exported: report this with your version of"
            " onnxruntime"
        )
    found = parity.compare(workspace, engine, progress, only=name)
    parity_gate.check(found, gate)
    write_file(target, data)
    inputs = tuple(value.name for value in model.graph.input)
    return Merged(len(data), inputs, task.classes, difference, found[0])


def _check_new(target: Path, *, replace: bool) -> None:
    """Refuse a place where no file may be written."""
    there = os.path.lexists(target) and not replace  # Path's raises for a name that is too long
    if there or os.path.isdir(target):  # noqa: PTH112
        raise StorageError(
            f"{target}: expected a new name for the file, found something there; choose another or"
            " use --replace"
        )
    check_file(target)


def _limit(scores: NDArray[np.float32]) -> float:
    return max(TOLERANCE, _ROUNDED * float(np.abs(scores).max()))


def _difference(
    model: bytes,
    modality: Modality,
    inputs: Sequence[Input],
    expected: NDArray[np.float32],
) -> float:
    session = open_session(model, "merged graph")
    found = [session.run([SCORES], modality.prepare(value).feeds)[0][0] for value in inputs]
    return float(np.abs(np.stack(found) - expected).max())
