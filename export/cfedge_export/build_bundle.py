"""A workspace -> a bundle in memory: adapters, signatures, certificates, golden vectors, manifest.

Nothing is judged or written here; `cfedge_export.pack` does both.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from cfedge.bundle.arrays import dump_arrays
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, reference
from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.calibration import Odds
from cfedge.errors import WorkspaceError
from cfedge.inputs.modality import Input
from cfedge.progress import Progress, Quiet
from cfedge.runtime.engine import Engine
from cfedge.train.certify.answer_odds import answer_odds
from cfedge.train.certify.judged import judged
from cfedge.train.certify.shipped import Shipped
from cfedge.train.measures.certificate import FALSE_REJECT_RATE, Certified
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import file_name
from cfedge.train.workspace.learned_task import LearnedTask
from cfedge_export.adapters import adapter_onnx
from cfedge_export.golden_vectors import golden_vectors, made_up

__all__ = ["build"]

_PACKAGES = ("cfedge", "numpy", "onnx", "onnxruntime", "optimum", "torch", "transformers")


def build(
    workspace: WorkspaceFolder,
    progress: Progress | None = None,
    *,
    false_reject_rate: float = FALSE_REJECT_RATE,
    tail_share: float | None = None,
    lookup: str | None = None,
    synthetic_golden: bool = False,
) -> Bundle:
    """Build the bundle in memory; no gate is applied.

    Parameters
    ----------
    false_reject_rate
        Share of each task's own inputs that may be called unknown; see
        `cfedge.train.measures.certificate.certify`.
    tail_share
        Of held-out inputs, those that may be run through the frozen tail; see
        `cfedge.train.certify.routing.routed`.
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
    backbone, objects = workspace.backbone, _Objects.of_backbone(workspace)
    chosen = workspace.lookup if lookup is None else lookup
    made = Shipped.of(learned, chosen)
    found = judged(workspace, made, false_reject_rate=false_reject_rate, tail_share=tail_share)
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
    inputs = {name: task.held_out.inputs for name, task in learned.items()}
    golden = None if synthetic_golden else inputs
    return _with_golden(Bundle(whole, objects.data), golden, progress or Quiet())


def _with_golden(
    bundle: Bundle, inputs: Mapping[str, Sequence[Input]] | None, progress: Progress
) -> Bundle:
    """Put golden vectors of `inputs` by task, or of made-up ones, in the place of empty files."""
    engine, objects = Engine(bundle), _Objects(bundle.objects)
    if inputs is None:
        inputs = dict.fromkeys([task.name for task in bundle.manifest.tasks], made_up(engine))
    golden = golden_vectors(engine, inputs, progress)
    tasks = tuple(
        dataclasses.replace(task, golden=objects.keep(golden[task.name]))
        for task in bundle.manifest.tasks
    )
    for task in bundle.manifest.tasks:
        objects.data.pop(task.golden.sha256, None)
    return Bundle(dataclasses.replace(bundle.manifest, tasks=tasks), objects.data)


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

    def __init__(self, data: Mapping[str, bytes] | None = None) -> None:
        self.data: dict[str, bytes] = dict(data or {})

    @classmethod
    def of_backbone(cls, workspace: WorkspaceFolder) -> _Objects:
        made = cls()
        for role in workspace.backbone.files():
            made.keep(workspace.backbone_file(file_name(role)))
        return made

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
