"""A workspace -> a bundle: quantised adapters, signatures, certificates, golden vectors, manifest;
checked, then written.

The bundle is built in memory, opened with the device's own engine, held against the parity gate and
its own golden vectors, and only then written, whole or not at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from cfedge.bundle.arrays import dump_arrays
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, reference, write
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.calibration import Odds
from cfedge.errors import StorageError, WorkspaceError
from cfedge.margins import TAIL_SHARE
from cfedge.progress import Progress, Quiet
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden
from cfedge.train.answer_odds import answer_odds
from cfedge.train.certificate import FALSE_REJECT_RATE, Certified
from cfedge.train.judged import judged
from cfedge.train.learned_task import LearnedTask
from cfedge.train.shipped import Shipped
from cfedge.train.workspace import WorkspaceFolder
from cfedge.train.workspace_index import file_name
from cfedge_export import parity, parity_gate
from cfedge_export.adapters import adapter_onnx
from cfedge_export.budget import Budget, BudgetFit
from cfedge_export.golden_vectors import golden_vectors, made_up
from cfedge_export.sensitivity import float_layers
from cfedge_export.threads import fit_threads

__all__ = ["Exported", "build", "export"]

_PACKAGES = ("cfedge", "numpy", "onnx", "onnxruntime", "optimum", "torch", "transformers")


@dataclass(frozen=True)
class Exported:
    """A written bundle, the parity that it passed, and the budgets that it keeps to, where there
    were any.
    """

    bundle: Bundle
    parity: list[parity.TaskParity]
    fitted: BudgetFit | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(len(data) for data in self.bundle.objects.values())

    @property
    def float_layers(self) -> tuple[str, ...]:
        """Layers that stay float32 whatever the scheme."""
        backbone = self.bundle.manifest.backbone
        return float_layers(self.bundle[backbone.trunk], self.bundle[backbone.tail])


def build(
    workspace: WorkspaceFolder,
    progress: Progress | None = None,
    *,
    false_reject_rate: float = FALSE_REJECT_RATE,
    tail_share: float = TAIL_SHARE,
    lookup: str | None = None,
    synthetic_golden: bool = False,
) -> Bundle:
    """Build the bundle in memory; no gate is applied.

    Parameters
    ----------
    false_reject_rate
        Share of each task's own inputs that may be called unknown; see
        `cfedge.train.certificate.certify`.
    tail_share
        Of held-out inputs, those that may be run through the frozen tail; see
        `cfedge.train.routing.routed`.
    lookup
        What finds the task of an input, a name of `cfedge.lookup.rules.RULES`; None: the
        workspace's own.
    synthetic_golden
        Golden vectors are of inputs that are made up; else of held-out ones, which then travel in
        clear.

    Raises
    ------
    WorkspaceError
        There is no task yet, or a task belongs to another backbone.
    UsageError
        The rate is not in (0, 1), the share not in [0, 1], or there is no such lookup.
    """
    learned = _checked(workspace)
    backbone, objects = workspace.backbone, _Objects()
    chosen = workspace.lookup if lookup is None else lookup
    made = Shipped.of(learned, chosen)
    found = judged(workspace, made, false_reject_rate=false_reject_rate, tail_share=tail_share)
    for role in backbone.files():
        objects.keep(workspace.backbone_file(file_name(role)))
    empty = objects.keep(dump_arrays({"none": np.zeros(1, np.float32)}))
    odds = answer_odds(workspace, made, found.router, found.matches, found.right)
    entries = {
        name: _entry(
            task,
            found.certified[name],
            odds[name],
            backbone,
            objects,
            signature=objects.keep(dump_arrays(made.signatures[name].arrays())),
            golden=empty,
        )
        for name, task in learned.items()
    }
    whole = Manifest(
        backbone, tuple(entries.values()), lookup=chosen, margins=found.router.margins,
        versions=_versions(),
    )  # fmt: skip
    engine = Engine(Bundle(whole, objects.data))
    inputs = {name: task.held_out.inputs for name, task in learned.items()}
    if synthetic_golden:
        inputs = dict.fromkeys(learned, tuple(made_up(engine)))
    golden = golden_vectors(engine, inputs, progress or Quiet())
    tasks = tuple(
        dataclasses.replace(entry, golden=objects.keep(golden[name]))
        for name, entry in entries.items()
    )
    del objects.data[empty.sha256]
    return Bundle(dataclasses.replace(whole, tasks=tasks), objects.data)


def _versions() -> dict[str, str]:
    """Of the packages that had a part in it, as far as they are installed: a closed form needs no
    torch.
    """
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


class _Objects:
    """Files by their digest."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def keep(self, data: bytes) -> FileRef:
        ref = reference(data)
        self.data[ref.sha256] = data
        return ref


def _checked(workspace: WorkspaceFolder) -> dict[str, LearnedTask]:
    """The tasks, of which there must be some, all learned on the workspace's backbone."""
    if not workspace.tasks:
        raise WorkspaceError(
            f"{workspace.folder}: expected at least one task, found none; add one with: cfedge add"
            f" {workspace.folder} NAME --data FILE"
        )
    expected = workspace.backbone.digest
    learned = {name: workspace.task(name) for name in workspace.tasks}
    for name, task in learned.items():
        if task.record.base != expected:
            raise WorkspaceError(
                f"task {name!r}: expected backbone {expected[:12]}, found"
                f" {task.record.base[:12]}; learn it again with --replace"
            )
    return learned


def _entry(
    task: LearnedTask,
    evidence: Certified,
    odds: Odds,
    backbone: Backbone,
    objects: _Objects,
    *,
    signature: FileRef,
    golden: FileRef,
) -> Task:
    name, slots = task.record.name, [key for key in task.adapter if key.startswith("a.")]
    return Task(
        name=name,
        classes=task.record.classes,
        rank=task.adapter[slots[0]].shape[2] if slots else 1,
        threshold=evidence.threshold,
        false_reject_rate=evidence.false_reject_rate,
        calibration=dataclasses.replace(evidence.calibration, odds=odds),
        certificate=evidence.certificate,
        adapter=objects.keep(adapter_onnx(task.adapter, base=backbone.digest, task=name)),
        signature=signature,
        golden=golden,
        same_labels=dict(task.record.same_labels),
    )


def export(
    workspace: WorkspaceFolder,
    target: Path,
    *,
    gate: parity_gate.Gate | None = None,
    budget: Budget | None = None,
    false_reject_rate: float = FALSE_REJECT_RATE,
    tail_share: float = TAIL_SHARE,
    lookup: str | None = None,
    synthetic_golden: bool = False,
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
    bundle = build(
        workspace,
        progress,
        false_reject_rate=false_reject_rate,
        tail_share=tail_share,
        lookup=lookup,
        synthetic_golden=synthetic_golden,
    )
    engine = Engine(bundle)
    results = parity.compare(workspace, engine, progress)
    parity_gate.check(results, gate)
    check_golden(engine, bundle)
    check_graphs(bundle)
    fitted = fit_threads(workspace, bundle, budget, progress) if budget else None
    write(bundle, target, replace=replace)
    return Exported(bundle, results, fitted)
