"""export: the command that makes a bundle of a workspace, or one plain file of a task."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.budgets import P90, RAM, check_alone, kept_to
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.show import TerminalProgress, print_json, print_table, say, size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "export", epilog="Example: cfedge export ws bundle --ram 512MB --p90 20ms --drop 1.0"
    )(export)


def export(
    workspace: WORKSPACE,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The bundle's folder; with --merged the file.")
    ],
    merged: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="Write one plain ONNX file instead: token ids to the scores of this task.",
        ),
    ] = None,
    drop: Annotated[
        float,
        typer.Option(
            "--drop",
            "--max-drop",
            help="Largest accuracy drop of a task against float32, in points.",
        ),
    ] = 1.0,
    max_error_ratio: Annotated[
        float, typer.Option(help="Largest int8 / float error ratio of a task.")
    ] = 1.25,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse also what chance explains on so few examples.")
    ] = False,
    false_reject: Annotated[
        float | None,
        typer.Option(
            help="Share of a task's own inputs that may be called unknown; otherwise 0.05."
        ),
    ] = None,
    ram: RAM = None,
    p90: P90 = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what is there.")
    ] = False,
    json: JSON = False,
) -> None:
    """Write a quantised bundle, if it answers as the float model does.

    With --ram or --p90 it is measured as a device would run it, and the fewest threads that keep to
    them are found: give them to predict --threads or Engine.open. Scheme and cut were chosen by
    init.
    """
    from cfedge.train.certificate import FALSE_REJECT_RATE
    from cfedge.train.workspace import Workspace
    from cfedge_export.pack import export as write
    from cfedge_export.parity import Gate
    from cfedge_export.sensitivity import float_layers

    check_alone("--merged", merged, {"--ram": ram, "--p90": p90, "--false-reject": false_reject})
    gate, budget = Gate(drop, max_error_ratio, strict), parse_budget(ram, p90)
    opened, shown = Workspace(workspace), TerminalProgress()
    if merged is not None:
        from cfedge_export.merged import export_merged

        file = export_merged(opened, merged, out, gate=gate, replace=replace, progress=shown)
        if json:
            print_json(
                {
                    "file": str(out),
                    "tokenizer": str(opened.folder / "backbone" / "tokenizer.json"),
                    **dataclasses.asdict(file),
                }
            )
            return
        say(
            f"{out}: {size(file.size_bytes)}, input_ids -> scores of {len(file.labels)} labels,"
            f" within {file.difference:.1g} of the engine on {file.parity.examples} held-out texts;"
            f" its tokenizer is {opened.folder / 'backbone' / 'tokenizer.json'}"
        )
        return
    rate = FALSE_REJECT_RATE if false_reject is None else false_reject
    done = write(
        opened,
        out,
        gate=gate,
        budget=budget,
        false_reject_rate=rate,
        replace=replace,
        progress=shown,
    )
    whole = sum(len(data) for data in done.bundle.objects.values())
    backbone = done.bundle.manifest.backbone
    left = float_layers(done.bundle[backbone.trunk], done.bundle[backbone.tail])
    if json:
        print_json({
            "bundle": str(out), "bytes": whole, "parity": [dataclasses.asdict(one) for one in done.parity], "float_layers": left,
            "budgets": dataclasses.asdict(done.fitted) if done.fitted else None,
        })  # fmt: skip
        return
    print_table(
        f"{out}: {size(whole)}, parity on held-out examples",
        ("task", "examples", "torch float", "ONNX float", "ONNX int8", "drop (points)", "error ratio", "agreement", "min cosine"),
        [
            (
                one.task, one.examples, f"{one.accuracy_torch:.3f}", f"{one.accuracy_float:.3f}", f"{one.accuracy_int8:.3f}",
                f"{one.drop:.2f} [{one.drop_interval[0]:.2f}, {one.drop_interval[1]:.2f}]",
                _ratio(one.error_ratio, one.error_ratio_interval), f"{one.agreement:.3f}", f"{one.cosine_float_int8:.4f}",
            )
            for one in done.parity
        ],
    )  # fmt: skip
    if left:
        say(f"left in float32: {', '.join(left)}")
    if done.fitted:
        worst = max(done.parity, key=lambda one: one.drop)
        say(
            f"{kept_to(done.fitted)}; largest drop {worst.drop:.2f} of {gate.max_drop:g} points"
            f" ({worst.task})"
        )


def _ratio(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "float made none"
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
