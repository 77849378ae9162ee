"""A workspace around a backbone, made once: export, cut, slots, quantise, freeze.

What it is to be is decided before (`cfedge_export.backbone_plan`), or given.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from cfedge.arguments import checked
from cfedge.bundle.manifest import Backbone
from cfedge.errors import BackboneError, UsageError
from cfedge.inputs.modality import Input
from cfedge.lookup.rules import rule_named
from cfedge.lookups import DEFAULT
from cfedge.outside import check_folder
from cfedge.progress import Progress, Quiet
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import file_name
from cfedge_export.background import as_shipped, known, made_of
from cfedge_export.draft import Draft, draft, slotted_modules, with_background
from cfedge_export.source import Source, load_source
from cfedge_export.split_choice import choose_split

__all__ = ["check_target", "make_backbone", "same_backbone"]


def check_target(target: Path) -> None:
    """Refuse the name of a workspace that is taken, or lies in another folder of cfedge's own.

    Raises
    ------
    UsageError
    """
    check_folder(target)
    if target.exists():
        raise UsageError(
            f"{target}: expected a new name for the workspace, found something there; choose"
            " another or remove it"
        )


@checked
def make_backbone(
    target: Path,
    name: str,
    *,
    folder: Path | None = None,
    source: Source | None = None,
    split: int | None = None,
    sample: Examples | None = None,
    target_modules: Collection[str] | None = None,
    scheme: str | None = None,
    float_layers: Collection[str] = (),
    background: Sequence[Input] | None = None,
    lookup: str = DEFAULT,
    progress: Progress | None = None,
) -> WorkspaceFolder:
    """Make a workspace.

    Parameters
    ----------
    target
        A folder that does not exist yet.
    name, folder
        See `load_source`.
    source
        What that gave, where it was needed before.
    split, sample
        Blocks in the trunk; None: measured on the labelled examples `sample`, or else the
        backbone's default.
    target_modules
        Those of each block that get a slot; None: the architecture's default.
    scheme
        A key of `cfedge_export.schemes.SCHEMES`; None: the architecture's best.
    float_layers
        Left in float32 (`cfedge_export.sensitivity`), whatever the scheme.
    background
        Inputs of no task (`cfedge_export.background`); None: what the package knows of the weights.
    lookup
        What finds the task of an input in its bundles: a name of `cfedge.lookups.LOOKUPS`.

    Raises
    ------
    BackboneError, UsageError, StorageError
        Nothing was written.
    """
    check_target(target)
    rule_named(lookup)
    with (progress or Quiet()).track("cutting and quantising the encoder", 3) as advance:
        source = source or load_source(name, folder)
        advance(1)
        split = choose_split(source, sample) if split is None else split
        made = _drafted(source, split, target_modules, scheme, float_layers)
        made = _with_background(made, background)
        advance(1)
        workspace = WorkspaceFolder.written(target, made.backbone, made.files, lookup)
        advance(1)
    return workspace


def _drafted(
    source: Source,
    split: int,
    target_modules: Collection[str] | None,
    scheme: str | None,
    float_layers: Collection[str],
) -> Draft:
    """The backbone, with what its architecture does best where nothing else is asked for."""
    family = source.architecture
    return draft(
        source,
        split,
        target_modules=family.default_parts if target_modules is None else target_modules,
        scheme=family.schemes[0] if scheme is None else scheme,
        float_layers=float_layers,
    )


def _with_background(made: Draft, inputs: Sequence[Input] | None) -> Draft:
    """A draft that knows what inputs of no task look like, where that is to be had."""
    record = made.backbone
    if inputs is None:
        return with_background(made, known(record.source_sha256, record.split))
    files = {role: made.files[file_name(role)] for role in record.files()}
    encoder = Encoder.of(files, record)
    return with_background(made, made_of(encoder, inputs, record.views[0], record.lookup_width))


def same_backbone(
    target: Path,
    source: Source,
    backbone: Backbone,
    *,
    float_layers: Collection[str] = (),
    background: bytes | None = None,
    lookup: str = DEFAULT,
    progress: Progress | None = None,
) -> WorkspaceFolder:
    """Make a workspace with the very backbone of another workshop, bit for bit, so that its tasks
    run beside those that were learned there.

    Parameters
    ----------
    source
        The same weights.
    backbone, float_layers
        The other's: its split, target modules and scheme are taken.
    background
        The other's, where it has one.
    lookup
        See `make_backbone`.

    Raises
    ------
    BackboneError
        It comes out otherwise; nothing was written.
    UsageError, StorageError
        Nothing was written.
    """
    check_target(target)
    with (progress or Quiet()).track("cutting and quantising the encoder", 2) as advance:
        made = draft(
            source,
            backbone.split,
            target_modules=slotted_modules(backbone),
            scheme=backbone.scheme,
            float_layers=float_layers,
        )
        advance(1)
        if made.backbone.digest != backbone.digest:
            raise BackboneError(
                f"backbone {source.name!r}: expected digest {backbone.digest[:12]}, found"
                f" {made.backbone.digest[:12]} from these weights and package versions; install the"
                " versions of the other workshop, or copy its workspace"
            )
        made = with_background(made, as_shipped(background, source.sha256, backbone.split))
        workspace = WorkspaceFolder.written(target, made.backbone, made.files, lookup)
        advance(1)
    return workspace
