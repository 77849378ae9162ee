"""``cfedge init``: a new workspace, one with another's backbone, or a refused one anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfedge.bundle.files import Bundle
from cfedge.errors import UsageError
from cfedge.lookups import DEFAULT
from cfedge.progress import Progress, Quiet
from cfedge.store import bundle_at
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import backbone_plan
from cfedge_export.backbone_plan import Plan
from cfedge_export.backbone_request import BackboneRequest
from cfedge_export.draft import slotted_modules
from cfedge_export.make_backbone import check_target, make_backbone, same_backbone
from cfedge_export.repair import repair
from cfedge_export.sensitivity import float_layers
from cfedge_export.size_by_part import shipped_bytes
from cfedge_export.source import Source, load_source

__all__ = ["NewWorkspace", "new_workspace"]


@dataclass(frozen=True)
class NewWorkspace:
    """What was made, what decided it (None: another workshop's backbone), where its bytes are."""

    workspace: WorkspaceFolder
    plan: Plan | None
    bytes_by_part: dict[str, int]


def new_workspace(
    target: Path,
    request: BackboneRequest,
    *,
    inputs: Mapping[str, Callable[[], Sequence[Any]]],
    sample: Examples | None = None,
    progress: Progress | None = None,
) -> NewWorkspace:
    """Make a workspace as it was asked for.

    Parameters
    ----------
    target
        A folder that does not exist yet.
    inputs
        Of each kind that has some: gives inputs to measure on, where there is no sample; called
        only where something is measured.
    sample
        Labelled examples to measure on, and to choose the split by.

    Raises
    ------
    BackboneError, BudgetError, ParityError, StorageError, UsageError
        Nothing was written.
    """
    check_target(target)
    other = _other(request)
    progress = progress or Quiet()
    with progress.track("reading the encoder", 1) as advance:
        source = load_source(request.backbone, request.weights)
        advance(1)
    plan: Plan | None = None
    if other is not None:
        made = _same(target, source, other, request.lookup, progress)
    elif request.repair is not None:
        made, plan = _repaired(target, request, request.repair, source, progress)
    else:
        made, plan = _new(target, request, source, inputs, sample, progress)
    return NewWorkspace(made, plan, shipped_bytes(made))


def _new(
    target: Path,
    request: BackboneRequest,
    source: Source,
    inputs: Mapping[str, Callable[[], Sequence[Any]]],
    sample: Examples | None,
    progress: Progress,
) -> tuple[WorkspaceFolder, Plan]:
    some: Sequence[Any] = ()
    if request.is_measured:
        given = inputs.get(source.input.kind)
        if sample is None and given is None:
            raise UsageError(
                f"--measure: expected inputs of kind {source.input.kind} to measure on, found none;"
                " name a folder of them"
            )
        some = sample.inputs if sample else given() if given else ()
    plan = backbone_plan.plan(source, request, some, sample=sample, progress=progress)
    return _planned(target, source, plan, request.target_modules, request.lookup, progress), plan


def _other(request: BackboneRequest) -> Bundle | None:
    """Return the bundle whose backbone is made; None: a new one is."""
    if request.same_backbone is None:
        return None
    bundle = bundle_at(request.same_backbone)
    name = bundle.manifest.backbone.name
    if name != request.backbone:
        raise UsageError(
            f"--backbone: expected {name}, which {request.same_backbone} has, found"
            f" {request.backbone}; leave it out"
        )
    return bundle


def _same(
    target: Path, source: Source, bundle: Bundle, lookup: str | None, progress: Progress
) -> WorkspaceFolder:
    record = bundle.manifest.backbone
    return same_backbone(
        target,
        source,
        record,
        float_layers=float_layers(bundle[record.trunk], bundle[record.tail]),
        background=None if record.background is None else bundle[record.background],
        lookup=bundle.manifest.lookup if lookup is None else lookup,
        progress=progress,
    )


def _repaired(
    target: Path, request: BackboneRequest, refused: Path, source: Source, progress: Progress
) -> tuple[WorkspaceFolder, Plan]:
    workspace = WorkspaceFolder(refused)
    plan = repair(workspace, source, gate=request.gate, progress=progress)
    lookup = workspace.lookup if request.lookup is None else request.lookup
    modules = slotted_modules(workspace.backbone)
    return _planned(target, source, plan, modules, lookup, progress), plan


def _planned(
    target: Path,
    source: Source,
    plan: Plan,
    modules: tuple[str, ...] | None,
    lookup: str | None,
    progress: Progress,
) -> WorkspaceFolder:
    return make_backbone(
        target,
        source.name,
        source=source,
        split=plan.split,
        target_modules=modules,
        scheme=plan.choice.scheme,
        float_layers=plan.choice.float_layers,
        lookup=DEFAULT if lookup is None else lookup,
        progress=progress,
    )
