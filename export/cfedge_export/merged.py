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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cfedge.errors import ParityError, StorageError, TaskError
from cfedge.inputs.modality import Input, Modality
from cfedge.outside import check_outside
from cfedge.progress import Progress
from cfedge.runtime.adapter import Adapter, load_adapter
from cfedge.runtime.engine import Engine
from cfedge.runtime.session import open_session
from cfedge.storage import write_file
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate
from cfedge_export.adapters import IR_VERSION
from cfedge_export.build_bundle import build
from cfedge_export.names import FEATURES, HIDDEN, OPSET

__all__ = ["Merged", "SCORES", "TOLERANCE", "export_merged", "merge"]

SCORES = "scores"
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


def merge(trunk: ModelProto, tail: ModelProto, adapter: Adapter, frozen_views: int) -> ModelProto:
    """Join the graphs that ship and a task's arrays.

    Parameters
    ----------
    frozen_views
        Of the backbone.

    Returns
    -------
    ModelProto
        ``input_ids`` int64 [B, S], every position counting, -> ``scores`` float32 [B, C].
    """
    front, alone = _prefixed(trunk, "trunk."), bool(frozen_views and adapter.changes_nothing)
    back = _of_views(len(adapter.weight), frozen_views) if alone else _prefixed(tail, "tail.")
    arrays: dict[str, NDArray[np.generic]] = {
        **({} if alone else adapter.slots),
        "head.weight": adapter.weight,
        "head.bias": adapter.bias,
        "trunk.weight": adapter.trunk_weight,
        "trunk.bias": adapter.trunk_bias,
        "exit.margin": np.array([adapter.exit_margin], np.float32),
        "two": np.array([2], np.int64),
        "apart": np.array([[1], [-1]], np.float32),
    }
    squares = _squares(adapter, arrays) if adapter.shape_weight.size else []
    head = [
        helper.make_node(op, inputs, outputs.split(), name=outputs.split()[0])
        for op, inputs, outputs in (
            ("MatMul", [f"tail.{FEATURES}", "head.weight"], "adapted.products"),
            ("Add", ["adapted.products", "head.bias"], "adapted"),
            ("MatMul", [f"trunk.{FEATURES}", "trunk.weight"], "frozen.products"),
            ("Add", ["frozen.products", "trunk.bias"], "linear" if squares else "frozen"),
            *squares,
            ("Add", ["frozen", "adapted"], "both"),
            ("TopK", ["frozen", "two"], "best places"),
            ("MatMul", ["best", "apart"], "margin"),
            ("GreaterOrEqual", ["margin", "exit.margin"], "sure"),
            ("Where", ["sure", "frozen", "both"], SCORES),
        )
    ]
    graph = helper.make_graph(
        [*front.graph.node, *back.graph.node, *head],
        "task",
        list(front.graph.input),
        [
            helper.make_tensor_value_info(
                SCORES, TensorProto.FLOAT, ["batch", adapter.bias.shape[0]]
            )
        ],
        [
            *front.graph.initializer,
            *back.graph.initializer,
            *(numpy_helper.from_array(array, name) for name, array in sorted(arrays.items())),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model: ModelProto = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cfedge"
    )
    onnx.checker.check_model(model)
    return model


def _squares(
    adapter: Adapter, arrays: dict[str, NDArray[np.generic]]
) -> list[tuple[str, list[str], str]]:
    """Operators, their inputs and outputs: ``linear`` -> ``frozen``, with the squares of the
    classes' shapes; their constants are put among the `arrays`.
    """
    width, count = adapter.shape_weight.shape
    classes = len(adapter.bias)
    arrays |= {
        "shape.weight": adapter.shape_weight,
        "shape.bias": adapter.shape_bias,
        "shape.begin": np.array([0], np.int64),
        "shape.end": np.array([width], np.int64),
        "shape.axis": np.array([1], np.int64),
        "shape.apart": np.array([-1, classes, count // classes], np.int64),
        "shape.last": np.array([2], np.int64),
    }
    view = [f"trunk.{FEATURES}", "shape.begin", "shape.end", "shape.axis"]
    return [
        ("Slice", view, "shape.view"),
        ("MatMul", ["shape.view", "shape.weight"], "shape.products"),
        ("Add", ["shape.products", "shape.bias"], "shape.offset"),
        ("Mul", ["shape.offset", "shape.offset"], "shape.squares"),
        ("Reshape", ["shape.squares", "shape.apart"], "shape.classes"),
        ("ReduceSum", ["shape.classes", "shape.last"], "shape.sums"),
        ("Squeeze", ["shape.sums", "shape.last"], "shape.scores"),
        ("Add", ["linear", "shape.scores"], "frozen"),
    ]


def _of_views(width: int, count: int) -> ModelProto:
    """In the tail's place: the trunk's first views, together of length 1."""
    seen, behind = f"trunk.{FEATURES}", f"tail.{FEATURES}"
    arrays: dict[str, NDArray[np.generic]] = {
        "tail.begin": np.array([0], np.int64),
        "tail.end": np.array([width], np.int64),
        "tail.axis": np.array([1], np.int64),
        "tail.share": np.array(count**-0.5, np.float32),
    }
    nodes = [
        helper.make_node("Slice", [seen, *list(arrays)[:3]], ["tail.views"], "tail.views"),
        helper.make_node("Mul", ["tail.views", "tail.share"], [behind], behind),
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    return helper.make_model(helper.make_graph(nodes, "views", [], [], constants))


def _prefixed(model: ModelProto, prefix: str) -> ModelProto:
    """A copy whose names begin with `prefix`, but for its inputs and ``hidden``."""
    copy = ModelProto()
    copy.CopyFrom(model)
    kept = {"", HIDDEN, *(value.name for value in model.graph.input)}
    for node in copy.graph.node:
        node.name = f"{prefix}{node.name}"
        node.input[:] = [name if name in kept else f"{prefix}{name}" for name in node.input]
        node.output[:] = [name if name in kept else f"{prefix}{name}" for name in node.output]
    for tensor in copy.graph.initializer:
        tensor.name = f"{prefix}{tensor.name}"
    return copy


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
    check_outside(target)
    if target.is_dir() or (target.exists() and not replace):
        raise StorageError(
            f"{target}: expected a new name for the file, found something there; choose another or"
            " use --replace"
        )
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
