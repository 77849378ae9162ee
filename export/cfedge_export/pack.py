"""A workspace -> a bundle: quantised adapters, signatures, certificates, golden vectors, manifest;
checked, then written.

The bundle is built in memory, opened with the device's own engine, held against the parity gate and
its own golden vectors, and only then written, whole or not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, dump_arrays, reference, write
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import Manifest, Task
from cfedge.errors import StorageError, WorkspaceError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden, golden_arrays
from cfedge.train.certificate import FALSE_REJECT_RATE, certify
from cfedge.train.margins import route
from cfedge.train.workspace import Workspace
from cfedge.train.workspace_index import file_name
from cfedge_export import parity
from cfedge_export.adapters import adapter_onnx
from cfedge_export.budget import Budget, BudgetFit
from cfedge_export.threads import fit_threads

__all__ = ["Exported", "GOLDEN_VECTORS", "build", "export"]

#: Held-out examples a task that travel with it, to check a device's arithmetic.
GOLDEN_VECTORS = 16
_PACKAGES = ("cfedge", "numpy", "onnx", "onnxruntime", "optimum", "torch", "transformers")


@dataclass(frozen=True)
class Exported:
    """A written bundle, the parity that it passed, and the budgets that it keeps to, where there
    were any.
    """

    bundle: Bundle
    parity: list[parity.TaskParity]
    fitted: BudgetFit | None = None


def build(
    workspace: Workspace,
    progress: Progress | None = None,
    *,
    false_reject_rate: float = FALSE_REJECT_RATE,
) -> Bundle:
    """Build the bundle in memory; no gate is applied.

    Parameters
    ----------
    false_reject_rate
        Share of each task's own inputs that may be called unknown; see
        `cfedge.train.certificate.certify`.

    Raises
    ------
    WorkspaceError
        There is no task yet, or a task belongs to another backbone.
    UsageError
        The rate is not in (0, 1).
    """
    if not workspace.tasks:
        raise WorkspaceError(
            f"{workspace.folder}: expected at least one task, found none; add one with: cfedge add"
            f" {workspace.folder} NAME --data FILE"
        )
    backbone = workspace.backbone
    learned = {name: workspace.task(name) for name in workspace.tasks}
    for name, task in learned.items():
        if task.record.base != backbone.digest:
            raise WorkspaceError(
                f"task {name!r}: expected backbone {backbone.digest[:12]}, found"
                f" {task.record.base[:12]}; learn it again with --replace"
            )
    router, found = route(
        {name: task.signature for name, task in learned.items()},
        {name: task.held_out.features for name, task in learned.items()},
    )
    best = {name: task.held_out.top_scores for name, task in learned.items()}
    evidence = certify(found, best, router.first.directions, false_reject_rate=false_reject_rate)
    objects: dict[str, bytes] = {}

    def keep(data: bytes) -> FileRef:
        ref = reference(data)
        objects[ref.sha256] = data
        return ref

    for role in backbone.files():
        keep(workspace.backbone_file(file_name(role)))
    empty = keep(dump_arrays({"none": np.zeros(1, np.float32)}))
    entries = {
        name: Task(
            name=name,
            classes=task.record.classes,
            rank=next(
                array.shape[2] for key, array in task.adapter.items() if key.startswith("a.")
            ),
            threshold=evidence[name].threshold,
            false_reject_rate=evidence[name].false_reject_rate,
            certificate=evidence[name].certificate,
            adapter=keep(adapter_onnx(task.adapter, base=backbone.digest, task=name)),
            signature=keep(dump_arrays(task.signature.arrays())),
            golden=empty,
        )
        for name, task in learned.items()
    }
    versions = {package: version(package) for package in _PACKAGES}

    def manifest() -> Manifest:
        return Manifest(
            backbone,
            tuple(entries.values()),
            margins=router.margins,
            versions=versions,
        )

    engine = Engine(Bundle(manifest(), objects))
    with (progress or Quiet()).track("golden vectors", len(entries)) as advance:
        for name, task in learned.items():
            ref = keep(golden_arrays(engine, name, _clearest(engine, name, task.held_out.inputs)))
            entries[name] = Task(**{**vars(entries[name]), "golden": ref})
            advance(1)
    del objects[empty.sha256]
    return Bundle(manifest(), objects)


def _clearest(engine: Engine, task: str, texts: tuple[str, ...]) -> list[str]:
    """The texts with the widest margins, of task and of label: another CPU's rounding must not turn
    a golden answer.
    """
    free, given = engine.predict(texts), engine.predict(texts, task=task)
    width = [
        min(
            math.inf if one.margin is None else one.margin,
            math.log(known.probability / max(1 - known.probability, 1e-9)),
        )
        for one, known in zip(free, given, strict=True)
    ]
    order = sorted(range(len(texts)), key=lambda row: (-width[row], texts[row]))
    return [texts[row] for row in order[:GOLDEN_VECTORS]]


def export(
    workspace: Workspace,
    target: Path,
    *,
    gate: parity.Gate | None = None,
    budget: Budget | None = None,
    false_reject_rate: float = FALSE_REJECT_RATE,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Build, check and write a bundle.

    Scheme and cut were fixed with the workspace, so threads alone are left to choose under a
    budget.

    Raises
    ------
    ParityError
        The gate is missed; nothing was written.
    BudgetError
        No number of threads keeps to the budget; nothing was written.
    StorageError
        The disk refused, or `target` exists and `replace` is false; nothing was written.
    """
    if target.exists() and not replace:
        raise StorageError(
            f"{target}: expected a new name for the bundle, found something there; choose another"
            " or use --replace"
        )
    bundle = build(workspace, progress, false_reject_rate=false_reject_rate)
    engine = Engine(bundle)
    results = parity.compare(workspace, engine, progress)
    parity.check(results, gate)
    check_golden(engine, bundle)
    check_graphs(bundle)
    fitted = fit_threads(workspace, bundle, budget, progress) if budget else None
    write(bundle, target, replace=replace)
    return Exported(bundle, results, fitted)
