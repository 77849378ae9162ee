"""init: the command that makes a workspace around a prepared backbone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.budgets import P90, RAM
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.init_report import record_of, show
from cfedge.cli.show import TerminalProgress, print_json
from cfedge.kinds import DEFAULT_KIND
from cfedge.lookups import DEFAULT, LOOKUPS

if TYPE_CHECKING:
    from cfedge.train.examples.examples import Examples
    from cfedge_export.parity_gate import Gate

__all__ = ["register"]

BACKBONE = Annotated[
    str | None,
    typer.Option(
        help=(
            "The encoder: minilm-l6; lite0 or lite0-224 for pictures; local for the one in --folder;"
            " onnx for your own in --model."
        ),
        show_default="minilm-l6, or that of --same-backbone",
    ),
]
FOLDER = Annotated[
    Path | None,
    typer.Option(help="Folder with the encoder's weights; otherwise cfedge looks for them."),
]
MODEL = Annotated[
    Path | None,
    typer.Option(help="ONNX file of your own encoder of arrays, with --backbone onnx."),
]
INPUT = Annotated[
    str | None,
    typer.Option("--input", help="What your own encoder reads: array.", show_default=False),
]
SPLIT = Annotated[
    int | None, typer.Option(help="Number of blocks in the trunk; otherwise cfedge chooses it.")
]
MEASURE = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Labelled inputs (CSV, JSONL, folder) on which the cut, and the scheme with --scheme"
            " auto, are chosen."
        )
    ),
]
TARGET_MODULES = Annotated[
    str | None,
    typer.Option(
        help=(
            "Target modules of each block, separated by commas: some of qkv,o,fc1,fc2; for"
            " pictures, of expand,project."
        ),
        show_default="the backbone's",
    ),
]
SCHEME = Annotated[
    str | None,
    typer.Option(
        help=(
            "Quantisation scheme: int8-row, int8-row-7bit, int8-dynamic, int8-weight-only or"
            " float32; int8-static for pictures. auto measures them on this machine and picks"
            " one. [default: int8-static for pictures, int8-row for others]"
        ),
        show_default=False,
    ),
]
PROFILE = Annotated[
    str | None,
    typer.Option(help="Board that will answer (see cfedge devices); its rules pick the scheme."),
]
SAME_BACKBONE = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Bundle or store whose backbone is made again here, so that tasks taught here run"
            " beside its own."
        )
    ),
]
LOOKUP = Annotated[
    str | None,
    typer.Option(
        help=f"How its bundles find the task of an input: {', '.join(LOOKUPS)}. [default:"
        f" {DEFAULT}, or that of --same-backbone]"
    ),
]
SENSITIVITY = Annotated[
    float | None,
    typer.Option(
        metavar="COSINE",
        help=(
            "Mean cosine with float32 that the backbone must reach; the layers that int8"
            " hurts most stay in float32."
        ),
    ),
]
REPAIR = Annotated[
    Path | None,
    typer.Option(
        metavar="WS",
        help=(
            "Workspace that export refused. Its backbone is made again, with layers in float32,"
            " until its tasks pass."
        ),
    ),
]
DROP = Annotated[
    float | None,
    typer.Option(
        help="Largest accuracy drop that export allowed, in points; with --repair.",
        show_default="1.0",
    ),
]
STRICT = Annotated[
    bool, typer.Option("--strict", help="Judge as export --strict does; with --repair.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)


def init(
    workspace: WORKSPACE,
    backbone: BACKBONE = None,
    folder: FOLDER = None,
    model: MODEL = None,
    kind: INPUT = None,
    split: SPLIT = None,
    measure: MEASURE = None,
    target_modules: TARGET_MODULES = None,
    scheme: SCHEME = None,
    profile: PROFILE = None,
    same_backbone: SAME_BACKBONE = None,
    lookup: LOOKUP = None,
    sensitivity: SENSITIVITY = None,
    repair: REPAIR = None,
    drop: DROP = None,
    strict: STRICT = False,
    ram: RAM = None,
    p90: P90 = None,
    json: JSON = False,
) -> None:
    """Prepare an encoder, once for a workspace.

    The encoder is exported, cut, quantised and frozen.

    With --ram or --p90 the scheme, the cut and the threads are chosen by measuring; each try runs
    in a process of its own.
    """
    from cfedge.device import known_profile
    from cfedge_export.backbone_request import BackboneRequest
    from cfedge_export.new_workspace import new_workspace

    backbone = backbone or _default(same_backbone)
    request = BackboneRequest(
        backbone=backbone,
        folder=folder,
        model=model,
        kind=kind,
        split=split,
        target_modules=_names(target_modules),
        scheme=scheme,
        profile=known_profile(profile) if profile else None,
        lookup=lookup,
        sensitivity=sensitivity,
        budget=parse_budget(ram, p90),
        same_backbone=same_backbone,
        repair=repair,
        gate=_gate(drop, strict=strict),
    )
    made = new_workspace(
        workspace,
        request,
        inputs={DEFAULT_KIND: _demo_inputs},
        sample=_sample(measure, backbone, folder),
        progress=TerminalProgress(),
    )
    if json:
        print_json(record_of(made))
    else:
        show(made)


def _default(same_backbone: Path | None) -> str:
    """Return the backbone where none is named."""
    from cfedge.store import bundle_at

    if same_backbone is None:
        return "minilm-l6"
    return bundle_at(same_backbone).manifest.backbone.name


def _sample(measure: Path | None, backbone: str, folder: Path | None) -> Examples | None:
    """Return the examples of ``--measure``; None without it."""
    from cfedge.train.examples.data import load
    from cfedge.train.workspace.backbones import kind_of

    return load(measure, kind=kind_of(backbone, folder)).train if measure else None


def _names(listed: str | None) -> tuple[str, ...] | None:
    if listed is None:
        return None
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _gate(drop: float | None, *, strict: bool) -> Gate | None:
    from cfedge_export.parity_gate import Gate

    if drop is None and not strict:
        return None
    return Gate(strict=strict) if drop is None else Gate(drop, strict=strict)


def _demo_inputs() -> tuple[str, ...]:
    """The demo's sentences, to measure on where none were given."""
    from cfedge.demo import data_folder
    from cfedge.train.examples.data import load

    return tuple(
        value
        for folder in sorted(data_folder().iterdir())
        if folder.is_dir()
        for value in load(folder).train.inputs
    )
