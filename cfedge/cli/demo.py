"""demo: the main job on the embedded data, with its table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import TerminalProgress, print_json, print_table, say, size

if TYPE_CHECKING:
    from cfedge.demo.result import DemoResult


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
    _show(found, out)


def _show(found: DemoResult, out: Path) -> None:
    """Print what was measured, the answers to a few inputs, and where to go from there."""
    learned, held_out = found.tasks[0].examples, found.tasks[0].held_out
    print_table(
        f"five tasks, one after another, without old data: {learned} examples each, {held_out} held out",
        (
            "task", "right, when learned", "right, now", "in float32", "right task", "held out, wrong task",
            "at most (95 %, all tasks)", "adds",
        ),
        [
            (
                row.task, f"{row.accuracy_when_learned:.1%}", f"{row.accuracy_int8:.1%}", f"{row.accuracy_float:.1%}",
                f"{row.task_identification:.1%}", f"{row.held_out_errors} of {row.held_out}", f"{row.upper_bound:.1%}",
                size(row.added_bytes),
            )
            for row in found.tasks
        ],
    )  # fmt: skip
    print_table(
        "all together, int8, answered in a process without torch",
        ("what", "value"),
        [
            ("last accuracy: task and label right", f"{found.last_accuracy:.1%}"),
            ("right task", f"{found.task_identification:.1%}"),
            ("right label where the task is given", f"{found.known:.1%}"),
            ("forgetting: what later tasks took, mean", f"{found.forgetting:.1%}"),
            *(
                (f"inputs of no task ({kind} to the tasks), called unknown", f"{share:.0%}")
                for kind, share in _kinds(found)
            ),
            ("inputs of the tasks, called unknown", f"{found.false_rejects:.1%}"),
            ("known against unknown, AUROC", f"{found.unknown_auroc:.3f}"),
            ("an answer, median", f"{found.ms_per_input:.2f} ms"),
            ("encoder, shared by all tasks", size(found.backbone_bytes)),
            ("a task, mean", size(int(found.task_bytes))),
        ],
    )
    for answer in found.live:
        _show_answer(answer)
    say("")
    say(f"what is taken for what:  cfedge inspect {out / 'workspace'}")
    say(f'ask it yourself:         cfedge predict {out / "bundle"} "your text"')
    say(f"bundle:                  {out / 'bundle'}")


def _kinds(found: DemoResult) -> list[tuple[str, float]]:
    words = {"near": "close", "far": "foreign"}
    return [(words[kind], share) for kind, share in found.unknown_by_kind.items()]


def _show_answer(answer: dict[str, Any]) -> None:
    verdict = (
        f"unknown: {answer['reason']}"
        if answer["unknown"]
        else f"{answer['task']} / {answer['label']} ({answer['probability']:.0%})"
    )
    say(f'"{answer["text"]}"')
    say(f"  -> {verdict}")
    say(
        f"     margin {answer['margin']:.1f} over {answer['runner_up']}, out-of-distribution score"
        f" {answer['ood_score']:.1f}"
    )
