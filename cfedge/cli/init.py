"""init: the command that makes a workspace around a prepared backbone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.budgets import P90, RAM, check_alone, kept_to
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.show import TerminalProgress, print_json, print_table, size

if TYPE_CHECKING:
    from cfedge_export.sensitivity import Sensitivity

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)


def init(
    workspace: WORKSPACE,
    backbone: Annotated[
        str, typer.Option(help="minilm-l6, or local: any BERT-like encoder in --folder.")
    ] = "minilm-l6",
    folder: Annotated[
        Path | None, typer.Option(help="Where the weights are; otherwise they are found.")
    ] = None,
    split: Annotated[
        int | None, typer.Option(help="Blocks in the trunk; otherwise measured or the default.")
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="Labelled texts (CSV, JSONL, folder) to measure the split on, and --scheme auto."
        ),
    ] = None,
    target_modules: Annotated[
        str, typer.Option(help="Products with a low-rank slot: of qkv,o,fc1,fc2.")
    ] = "qkv,fc1",
    scheme: Annotated[
        str | None,
        typer.Option(
            help=(
                "Quantisation: int8-row, int8-row-7bit, int8-dynamic, int8-weight-only, float32;"
                " auto: measured here. [default: int8-row]"
            ),
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="The board of devices/ that will answer: picks the scheme by rules."),
    ] = None,
    same_backbone: Annotated[
        Path | None,
        typer.Option(
            help=(
                "A bundle or store: make its very backbone, to teach tasks that run beside its own."
            )
        ),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE",
            help=(
                "Leave the layers that hurt most in float32 until this mean cosine with float32 is"
                " reached."
            ),
        ),
    ] = None,
    repair: Annotated[
        Path | None,
        typer.Option(
            metavar="WS",
            help=(
                "A workspace that export refused: its backbone, with layers in float32 until its"
                " tasks pass."
            ),
        ),
    ] = None,
    drop: Annotated[
        float | None,
        typer.Option(
            help="With --repair: the largest accuracy drop that export allowed.", show_default="1.0"
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --repair: as it was given to export.")
    ] = False,
    ram: RAM = None,
    p90: P90 = None,
    json: JSON = False,
) -> None:
    """Prepare a backbone once: export, cut, quantise, freeze.

    With --ram or --p90 scheme, cut and threads are chosen by measuring them in processes of their
    own.
    """
    from cfedge.device import known_profile
    from cfedge.errors import UsageError
    from cfedge.store import bundle_at
    from cfedge.train.data import load
    from cfedge.train.workspace import Workspace
    from cfedge_export import backbone_plan, schemes
    from cfedge_export.make_backbone import (
        check_parts,
        check_target,
        load_source,
        make_backbone,
        slot_parts,
    )
    from cfedge_export.parity import Gate
    from cfedge_export.sensitivity import float_layers
    from cfedge_export.size_by_part import shipped_bytes

    asked = {
        "--scheme": scheme,
        "--profile": profile,
        "--sensitivity": sensitivity,
        "--ram": ram,
        "--p90": p90,
    }
    check_alone("--same-backbone", same_backbone, {**asked, "--repair": repair})
    check_alone("--repair", repair, {**asked, "--split": split})
    if not repair and (drop is not None or strict):
        raise UsageError(
            "--drop, --strict: expected --repair with them, found none; without tasks there is no"
            " accuracy to lose"
        )
    gate = Gate(1.0 if drop is None else drop, strict=strict)
    products = tuple(part.strip() for part in target_modules.split(",") if part.strip())
    sample = load(measure).train if measure else None
    board, budget, shown = (
        known_profile(profile) if profile else None,
        parse_budget(ram, p90),
        TerminalProgress(),
    )
    planned, refused = None, Workspace(repair) if repair else None
    check_target(workspace)
    if same_backbone:
        other = bundle_at(same_backbone)
        record = other.manifest.backbone
        left = float_layers(other[record.trunk], other[record.tail])
        made = make_backbone(
            workspace, backbone, folder=folder, like=record, float_layers=left, progress=shown
        )
    else:
        check_parts(products)
        if scheme != "auto":
            schemes.by_request(scheme, board)  # refused before the weights are looked for
        with shown.track("encoder", 1) as advance:
            source = load_source(backbone, folder)
            advance(1)
        if refused:
            planned, products = (
                backbone_plan.repair(refused, source, gate=gate, progress=shown),
                slot_parts(refused.backbone),
            )
        else:
            planned = backbone_plan.plan(
                source, sample.inputs if sample else _own_texts(), parts=products, scheme=scheme, split=split, sample=sample,
                profile=board, at_least=sensitivity, budget=budget, progress=shown,
            )  # fmt: skip
        made = make_backbone(
            workspace, backbone, source=source, split=planned.split, parts=products, scheme=planned.choice.scheme,
            float_layers=planned.choice.float_layers, progress=shown,
        )  # fmt: skip
    record, parts = made.backbone, shipped_bytes(made)
    shipped = sum(parts.values())
    if json:
        print_json({
            "workspace": str(workspace), "backbone": dataclasses.asdict(record), "digest": record.digest, "bytes": shipped,
            "bytes_by_part": parts, "scheme": None, "sensitivity": None, "budgets": None,
            **({
                "scheme": dataclasses.asdict(planned.choice),
                "sensitivity": dataclasses.asdict(planned.sensitivity) if planned.sensitivity else None,
                "budgets": dataclasses.asdict(planned.fitted) if planned.fitted else None,
            } if planned else {}),
        })  # fmt: skip
        return
    choice = planned.choice if planned else None
    if choice and choice.measured:
        print_table(
            "schemes on this machine, one text at a time",
            ("scheme", "MB", "mean cosine", "least", "time / float32", "left in float32", "not picked, as it"),
            [
                (
                    one.scheme, f"{one.size_bytes / 1e6:.1f}", f"{one.mean_cosine:.4f}", f"{one.least_cosine:.4f}",
                    f"{one.time_ratio:.2f}", ", ".join(one.float_layers) or None, one.reason,
                )
                for one in choice.measured
            ],
        )  # fmt: skip
    print(
        f"{workspace}: {record.name} ({record.source_sha256[:12]}), {record.blocks} blocks cut"
        f" before block {record.split}, {record.scheme}, {size(shipped)} to ship:"
        f" {', '.join(f'{part} {size(value)}' for part, value in parts.items())}"
    )
    if choice and choice.why:
        print(f"{choice.scheme}: {choice.why}")
    if planned and planned.sensitivity:
        print(_left(planned.sensitivity))
    if planned and planned.fitted:
        print(
            f"{kept_to(planned.fitted)}; without tasks: export measures again with --ram and --p90"
        )


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


def _own_texts() -> tuple[str, ...]:
    """The demo's texts, to measure on where none were given."""
    from cfedge.demo import data_folder
    from cfedge.train.data import load

    return tuple(
        text
        for folder in sorted(data_folder().iterdir())
        if folder.is_dir()
        for text in load(folder).train.inputs
    )
