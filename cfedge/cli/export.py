"""export: the command that makes a bundle of a workspace, or one plain file of a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.budgets import P90, RAM, check_alone, kept_to
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE
from cfedge.cli.show import TerminalProgress, print_json, print_table, say
from cfedge.counted import counted, size
from cfedge.lookups import LOOKUPS

if TYPE_CHECKING:
    from cfedge.train.workspace.folder import WorkspaceFolder
    from cfedge_export.merged import Merged
    from cfedge_export.pack import Exported
    from cfedge_export.parity import TaskParity
    from cfedge_export.parity_gate import Gate

__all__ = ["register"]

OUT = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder for the bundle; with --merged the ONNX file.")
]
MERGED = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        help=(
            "Write one plain ONNX file instead, from prepared inputs to the scores of this task."
        ),
    ),
]
DROP = Annotated[
    float,
    typer.Option(
        "--drop",
        "--max-drop",
        help="Largest accuracy drop of a task against float32, in points.",
    ),
]
MAX_ERROR_RATIO = Annotated[
    float, typer.Option(help="Largest ratio of a task's int8 errors to its float errors.")
]
STRICT = Annotated[
    bool,
    typer.Option("--strict", help="Also refuse a loss that chance may explain on so few examples."),
]
FALSE_REJECT = Annotated[
    float | None,
    typer.Option(
        help="Share of a task's own inputs that may be called unknown; 0.05 unless given."
    ),
]
TAIL_SHARE = Annotated[
    float | None,
    typer.Option(
        help=(
            "Largest share of inputs that may run the frozen tail; 0.4 unless given, and more where"
            " fewer than 500 inputs are held out."
        )
    ),
]
LOOKUP = Annotated[
    str | None,
    typer.Option(
        help=f"What finds the task of an input: {', '.join(LOOKUPS)}; the workspace's unless given."
    ),
]
SYNTHETIC = Annotated[
    bool,
    typer.Option(
        "--synthetic-golden",
        help=(
            "Make golden vectors of made-up pictures or arrays, so that no held-out one travels."
        ),
    ),
]
REPLACE = Annotated[bool, typer.Option("--replace", help="Replace what is at OUT.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "export", epilog="Example: cfedge export ws bundle --ram 512MB --p90 20ms --drop 1.0"
    )(export)


def export(
    workspace: WORKSPACE,
    out: OUT,
    merged: MERGED = None,
    drop: DROP = 1.0,
    max_error_ratio: MAX_ERROR_RATIO = 1.25,
    strict: STRICT = False,
    false_reject: FALSE_REJECT = None,
    tail_share: TAIL_SHARE = None,
    ram: RAM = None,
    p90: P90 = None,
    lookup: LOOKUP = None,
    synthetic_golden: SYNTHETIC = False,
    replace: REPLACE = False,
    json: JSON = False,
) -> None:
    """Write the bundle that a device answers from.

    The bundle is quantised. It is refused where it answers worse than the float model does.

    With --ram or --p90 the bundle is measured as a device would run it, and export names the
    fewest threads that keep to them. Give that number to predict --threads or Engine.open. The
    scheme and the cut were chosen by init.
    """
    from cfedge.train.measures.certificate import FALSE_REJECT_RATE
    from cfedge.train.workspace.folder import WorkspaceFolder
    from cfedge_export.merged import export_merged
    from cfedge_export.pack import export as write
    from cfedge_export.parity_gate import Gate

    others = {"--ram": ram, "--p90": p90, "--false-reject": false_reject}
    others |= {"--tail-share": tail_share, "--synthetic-golden": synthetic_golden or None}
    others |= {"--lookup": lookup}
    check_alone("--merged", merged, others)
    gate, budget = Gate(drop, max_error_ratio, strict), parse_budget(ram, p90)
    opened, shown = WorkspaceFolder(workspace), TerminalProgress()
    if merged is not None:
        file = export_merged(opened, merged, out, gate=gate, replace=replace, progress=shown)
        _show_merged(file, opened, out, json=json)
        return
    done = write(
        opened,
        out,
        gate=gate,
        budget=budget,
        false_reject_rate=FALSE_REJECT_RATE if false_reject is None else false_reject,
        tail_share=tail_share,
        lookup=lookup,
        synthetic_golden=synthetic_golden,
        replace=replace,
        progress=shown,
    )
    if json:
        print_json(_as_json(done, out))
    else:
        _show(done, out, gate)


def _show_merged(file: Merged, workspace: WorkspaceFolder, out: Path, *, json: bool) -> None:
    backbone = workspace.folder / "backbone"
    needed = {role: str(backbone / f"{role}.json") for role in workspace.backbone.input.files()}
    if json:
        print_json({"file": str(out), **needed, **dataclasses.asdict(file)})
        return
    line = (
        f"{out}: {size(file.size_bytes)}, {', '.join(file.inputs)} -> scores of"
        f" {counted(len(file.labels), 'label')}, within {file.difference:.1g} of the engine on"
        f" {counted(file.parity.examples, 'held-out input')}"
    )
    say("; ".join([line, *(f"its {role} is {path}" for role, path in needed.items())]))


def _as_json(done: Exported, out: Path) -> dict[str, Any]:
    return {
        "bundle": str(out),
        "bytes": done.size_bytes,
        "parity": [dataclasses.asdict(task) for task in done.parity],
        "float_layers": done.float_layers,
        "budgets": dataclasses.asdict(done.fitted) if done.fitted else None,
    }


def _show(done: Exported, out: Path, gate: Gate) -> None:
    from cfedge_export.parity_gate import beyond

    columns = (
        "task",
        "held out",
        "float, torch",
        "float, ONNX",
        "int8, ONNX",
        "drop (points)",
        "error ratio",
        "agreement",
        "min cosine",
    )
    title = f"{out}: {size(done.size_bytes)}; labels right before and after quantising, task given"
    print_table(title, columns, [_row(task) for task in done.parity])
    say(
        "drop and error ratio: int8 against float, with limits that are 95% certain each; the lower"
        " one says that int8 is worse where the gate's test says so. These heads were made of the"
        " held-out examples too, so more of them are right than of inputs to come"
    )
    say(_passed(beyond(done.parity, gate)))
    say(_limits(done, out))
    if done.float_layers:
        say(f"left in float32: {', '.join(done.float_layers)}")
    if done.fitted:
        worst = max(done.parity, key=lambda task: task.drop)
        say(
            f"{kept_to(done.fitted)}; largest drop {worst.drop:.2f} of {gate.max_drop:g} points"
            f" ({worst.task})"
        )


def _passed(chance: Sequence[TaskParity]) -> str:
    """Say that it passed, and what of it may be chance alone."""
    if not chance:
        return "passed: int8 answers as well as float, within what these held-out examples can show"
    lost = " and ".join(f"{one.task} lost {one.drop:.2f} points" for one in chance[:5])
    more = f" (and {counted(len(chance) - 5, 'more task')})" if len(chance) > 5 else ""
    fewest = counted(min(one.examples for one in chance), "example")
    return f"passed: {lost}{more}, but with {fewest} that may be chance (--strict refuses it)"


def _limits(done: Exported, out: Path) -> str:
    """Say what this bundle promises, which its lookup and margins decide too."""
    manifest = done.bundle.manifest
    highest = max(manifest.tasks, key=lambda task: task.certificate.wrong_answer_at_most)
    count = len(manifest.tasks)
    more = f", the highest limit of {count} tasks; all: cfedge report {out}" if count > 1 else ""
    return (
        f"of inputs of {highest.name} at most {highest.certificate.wrong_answer_at_most:.1%} get a"
        f" wrong answer with the lookup {manifest.lookup} (95% confidence){more}"
    )


def _row(task: TaskParity) -> tuple[object, ...]:
    low, high = task.drop_interval
    return (
        task.task,
        task.examples,
        None if task.accuracy_torch is None else f"{task.accuracy_torch:.3f}",
        f"{task.accuracy_float:.3f}",
        f"{task.accuracy_int8:.3f}",
        f"{task.drop:.2f} [{low:.2f}, {high:.2f}]",
        _ratio(task.error_ratio, task.error_ratio_interval),
        f"{task.agreement:.3f}",
        f"{task.cosine_float_int8:.4f}",
    )


def _ratio(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "float made none"
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
