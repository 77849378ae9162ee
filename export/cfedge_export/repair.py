"""A workspace that `export` refused, again: layers are left in float32 until its tasks pass."""

from __future__ import annotations

import numpy as np

from cfedge.errors import ParityError, UsageError
from cfedge.progress import Progress
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate, scheme_selection, schemes, sensitivity
from cfedge_export.backbone_plan import Plan
from cfedge_export.draft import draft, slotted_modules
from cfedge_export.graph import layers
from cfedge_export.schemes import Choice
from cfedge_export.source import Source

__all__ = ["repair"]


def repair(
    workspace: WorkspaceFolder,
    source: Source,
    *,
    gate: parity_gate.Gate | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Leave layers in float32 until a workspace's tasks pass the parity gate that refused them.

    Layers are ranked on the tasks' held-out inputs; scheme and cut stay.

    Raises
    ------
    UsageError
        `source` are other weights than the workspace's, it has no task, or they pass.
    ParityError
        Its tasks fail with every layer in float32, too.
    """
    _check(workspace, source)
    backbone, rng = workspace.backbone, np.random.default_rng(0)
    candidates = parity.Candidates(workspace, progress)

    def check(left: tuple[str, ...]) -> None:
        made = draft(
            source,
            backbone.split,
            target_modules=slotted_modules(backbone),
            scheme=backbone.scheme,
            float_layers=left,
        )
        parity_gate.check(
            candidates.compare(made.files["trunk.onnx"], made.files["tail.onnx"]), gate
        )

    def passes(left: tuple[str, ...]) -> bool:
        try:
            check(left)
        except ParityError:
            return False
        return True

    inputs = [each for name in workspace.tasks for each in workspace.held_out(name).inputs]
    found = sensitivity.search(
        source.deployed(),
        layers(source.architecture, source.encoder),
        schemes.find(backbone.scheme).ship,
        source.feeds(scheme_selection.some_of(inputs, rng=rng)),
        rng=rng,
        passes=passes,
        progress=progress,
    )
    if not found.layers:
        raise UsageError(
            "--repair: expected tasks that the parity gate refuses, found that those of"
            f" {workspace.folder} pass with every layer quantised; export it, or give the limits"
            " that refused them (--drop, --strict)"
        )
    check(found.layers)  # where torch and ONNX Runtime disagree, no layer helps
    why = f"as in {workspace.folder}, whose tasks pass the gate so"
    return Plan(Choice(backbone.scheme, why, (), found.layers), backbone.split, found)


def _check(workspace: WorkspaceFolder, source: Source) -> None:
    """Refuse other weights than the workspace's, and a workspace without tasks."""
    expected = workspace.backbone.source_sha256
    if expected != source.sha256:
        raise UsageError(
            f"--repair: expected the weights {expected[:12]} of {workspace.folder}, found"
            f" {source.sha256[:12]}; name them with --backbone and --folder"
        )
    if not workspace.tasks:
        raise UsageError(
            f"--repair: expected a workspace with tasks, found none in {workspace.folder}; add"
            " one, or use --sensitivity"
        )
