"""init: the command that makes a workspace around a prepared backbone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.budgets import P90, RAM, kept_to
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.show import TerminalProgress, print_json, print_table, say, size

if TYPE_CHECKING:
    from cfedge_export.new_workspace import NewWorkspace
    from cfedge_export.parity_gate import Gate
    from cfedge_export.schemes import Choice
    from cfedge_export.sensitivity import Sensitivity

__all__ = ["register"]

BACKBONE = Annotated[
    str,
    typer.Option(
        help="The encoder: minilm-l6; lite0 or lite0-224 for pictures; local for texts' in --folder."
    ),
]
FOLDER = Annotated[
    Path | None,
    typer.Option(help="Folder of the encoder's weights; they are looked for unless given."),
]
SPLIT = Annotated[
    int | None, typer.Option(help="Number of blocks in the trunk; chosen unless given.")
]
MEASURE = Annotated[
    Path | None,
    typer.Option(
        help="Labelled inputs (CSV, JSONL, folder) to choose the cut and --scheme auto by."
    ),
]
TARGET_MODULES = Annotated[
    str | None,
    typer.Option(
        help="Target modules of each block: of qkv,o,fc1,fc2; pictures: expand,project.",
        show_default="the backbone's",
    ),
]
SCHEME = Annotated[
    str | None,
    typer.Option(
        help=(
            "Quantisation scheme: int8-row, int8-row-7bit, int8-dynamic, int8-weight-only"
            " or float32, of pictures int8-static; auto measures them here."
            " [default: int8-row, int8-static]"
        ),
        show_default=False,
    ),
]
PROFILE = Annotated[
    str | None,
    typer.Option(help="Board of devices/ that will answer: its rules pick the scheme."),
]
SAME_BACKBONE = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Bundle or store whose very backbone is made, to teach tasks that run beside its own."
        )
    ),
]
SENSITIVITY = Annotated[
    float | None,
    typer.Option(
        metavar="COSINE",
        help=(
            "Mean cosine with float32 to reach, by leaving the layers that hurt most in float32."
        ),
    ),
]
REPAIR = Annotated[
    Path | None,
    typer.Option(
        metavar="WS",
        help=(
            "Workspace that export refused: make its backbone again, with layers in"
            " float32 until its tasks pass."
        ),
    ),
]
DROP = Annotated[
    float | None,
    typer.Option(
        help="Largest accuracy drop that export allowed, with --repair.", show_default="1.0"
    ),
]
STRICT = Annotated[
    bool, typer.Option("--strict", help="Judge as export --strict did, with --repair.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)


def init(
    workspace: WORKSPACE,
    backbone: BACKBONE = "minilm-l6",
    folder: FOLDER = None,
    split: SPLIT = None,
    measure: MEASURE = None,
    target_modules: TARGET_MODULES = None,
    scheme: SCHEME = None,
    profile: PROFILE = None,
    same_backbone: SAME_BACKBONE = None,
    sensitivity: SENSITIVITY = None,
    repair: REPAIR = None,
    drop: DROP = None,
    strict: STRICT = False,
    ram: RAM = None,
    p90: P90 = None,
    json: JSON = False,
) -> None:
    """Prepare an encoder, once for a workspace.

    It is exported, cut, quantised and frozen.

    With --ram or --p90 scheme, cut and threads are chosen by measuring them in processes of their
    own.
    """
    from cfedge.device import known_profile
    from cfedge.train.backbones import kind_of
    from cfedge.train.data import load
    from cfedge_export.backbone_request import BackboneRequest
    from cfedge_export.new_workspace import new_workspace

    request = BackboneRequest(
        backbone=backbone,
        folder=folder,
        split=split,
        target_modules=_names(target_modules),
        scheme=scheme,
        profile=known_profile(profile) if profile else None,
        sensitivity=sensitivity,
        budget=parse_budget(ram, p90),
        same_backbone=same_backbone,
        repair=repair,
        gate=_gate(drop, strict=strict),
    )
    sample = load(measure, kind=kind_of(backbone)).train if measure else None
    made = new_workspace(
        workspace, request, inputs=_demo_texts, sample=sample, progress=TerminalProgress()
    )
    if json:
        print_json(_as_json(made))
    else:
        _show(made)


def _names(listed: str | None) -> tuple[str, ...] | None:
    if listed is None:
        return None
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _gate(drop: float | None, *, strict: bool) -> Gate | None:
    from cfedge_export.parity_gate import Gate

    if drop is None and not strict:
        return None
    return Gate(strict=strict) if drop is None else Gate(drop, strict=strict)


def _as_json(made: NewWorkspace) -> dict[str, Any]:
    record, plan = made.workspace.backbone, made.plan
    found = plan.sensitivity if plan else None
    fitted = plan.fitted if plan else None
    return {
        "workspace": str(made.workspace.folder),
        "backbone": dataclasses.asdict(record),
        "digest": record.digest,
        "bytes": sum(made.bytes_by_part.values()),
        "bytes_by_part": made.bytes_by_part,
        "scheme": dataclasses.asdict(plan.choice) if plan else None,
        "sensitivity": dataclasses.asdict(found) if found else None,
        "budgets": dataclasses.asdict(fitted) if fitted else None,
    }


def _show(made: NewWorkspace) -> None:
    record, plan, parts = made.workspace.backbone, made.plan, made.bytes_by_part
    if plan and plan.choice.measured:
        _show_schemes(plan.choice)
    say(
        f"{made.workspace.folder}: {record.name} ({record.source_sha256[:12]}), {record.blocks}"
        f" blocks cut before block {record.split}, {record.scheme}, {size(sum(parts.values()))} to"
        f" ship: {', '.join(f'{part} {size(value)}' for part, value in parts.items())}"
    )
    if plan and plan.choice.why:
        say(f"{plan.choice.scheme}: {plan.choice.why}")
    if plan and plan.sensitivity:
        say(_left(plan.sensitivity))
    if plan and plan.fitted:
        say(f"{kept_to(plan.fitted)}; without tasks: export measures again with --ram and --p90")


def _show_schemes(choice: Choice) -> None:
    columns = (
        "scheme",
        "MB",
        "mean cosine",
        "least",
        "time / float32",
        "left in float32",
        "not picked, as it",
    )
    rows = [
        (
            scheme.scheme,
            f"{scheme.size_bytes / 1e6:.1f}",
            f"{scheme.mean_cosine:.4f}",
            f"{scheme.least_cosine:.4f}",
            f"{scheme.time_ratio:.2f}",
            ", ".join(scheme.float_layers) or None,
            scheme.reason,
        )
        for scheme in choice.measured
    ]
    print_table("schemes on this machine, one input at a time", columns, rows)


def _left(found: Sensitivity) -> str:
    worst = sorted(found.damage.items(), key=lambda item: -item[1])[:3]
    harm = ", ".join(f"{name} {value:.2g}" for name, value in worst)
    if not found.layers:
        return (
            f"no layer is left in float32: mean cosine {found.mean_cosine:.5f} with all quantised;"
            f" most is lost by {harm}"
        )
    return (
        f"left in float32: {', '.join(found.layers)}: mean cosine {found.mean_cosine_before:.5f} ->"
        f" {found.mean_cosine:.5f}, {size(found.extra_bytes)} more, {found.time_ratio:.2f} of the"
        f" time; most is lost by {harm}"
    )


def _demo_texts() -> tuple[str, ...]:
    """The demo's texts, to measure on where none were given."""
    from cfedge.demo import data_folder
    from cfedge.train.data import load

    return tuple(
        text
        for folder in sorted(data_folder().iterdir())
        if folder.is_dir()
        for text in load(folder).train.inputs
    )
