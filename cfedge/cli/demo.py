"""demo: the main job on the embedded data, with its table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.show import TerminalProgress, print_json, print_table, say, size


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("demo", epilog="Example: cfedge demo --out demo-out")(demo)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder in which workspace and bundle are left.")
    ] = Path("demo-out"),
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the encoder's weights; they are looked for unless given."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Remove an earlier demo's workspace and bundle in OUT first."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run the whole way on five small tasks.

    They are learned one after another, exported to int8, and answered in a process without torch;
    tables show the figures.
    """
    import shutil

    from cfedge.demo import run
    from cfedge.errors import UsageError

    left = [path for path in (out / "workspace", out / "bundle") if path.exists()]
    if left and not replace:
        raise UsageError(
            f"{left[0]}: expected a new folder, found an earlier demo; use --replace or another"
            " --out"
        )
    for path in left:
        shutil.rmtree(path)
    found = run(out, folder=folder, progress=TerminalProgress())
    if json:
        print_json(dataclasses.asdict(found))
        return
    print_table(
        "five tasks learned one after another, without old data (test examples, per sample)",
        ("task", "accuracy float", "accuracy int8", "task_identification", "held-out wrong task", "upper bound (95 %, all tasks)", "added"),
        [
            (
                row.task, f"{row.accuracy_float:.3f}", f"{row.accuracy_int8:.3f}", f"{row.task_identification:.3f}",
                f"{row.held_out_errors} of {row.held_out}", f"{row.upper_bound:.1%}", size(row.added_bytes),
            )
            for row in found.tasks
        ],
    )  # fmt: skip
    print_table(
        "all together, int8, in a process without torch",
        ("what", "value"),
        [
            ("last accuracy (task and label right)", f"{found.last_accuracy:.3f}"),
            ("task identification", f"{found.task_identification:.3f}"),
            ("accuracy with the task known", f"{found.known:.3f}"),
            ("forgetting", f"{found.forgetting:.3f}"),
            ("unknown inputs, AUROC", f"{found.unknown_auroc:.3f}"),
            ("unknown inputs called unknown", f"{found.unknown_detected:.3f}"),
            ("known inputs called unknown", f"{found.false_rejects:.3f}"),
            ("ms per input (median)", f"{found.ms_per_input:.2f}"),
            ("backbone", size(found.backbone_bytes)),
            ("one task (mean)", size(int(found.task_bytes))),
        ],
    )
    for one in found.live:
        verdict = (
            f"unknown: {one['reason']}"
            if one["unknown"]
            else f"{one['task']} / {one['label']} ({one['probability']:.0%})"
        )
        say(f'"{one["text"]}"')
        say(f"  -> {verdict}")
        say(
            f"     margin {one['margin']:.1f} over {one['runner_up']}, distance"
            f" {one['distance']:.1f}"
        )
    say("")
    say(f'bundle: {out / "bundle"}; ask it yourself: cfedge predict {out / "bundle"} "your text"')
