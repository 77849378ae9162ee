"""demo: the main job on sentences and on pictures, with its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import TerminalProgress, print_json, print_table, say
from cfedge.cli.shown_answer import doubt
from cfedge.counted import size

if TYPE_CHECKING:
    from cfedge.demo.result import DemoResult, StreamResult, TaskRow


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("demo", epilog="Example: cfedge demo --out demo-out")(demo)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the workspaces, bundles and reports.")
    ] = Path("demo-out"),
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Learn fewer tasks from fewer pictures, and no adapter."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the weights for the sentences; otherwise cfedge looks for them."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Remove what an earlier demo left in OUT first."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show everything at work, on built-in data.

    Tasks of sentences, then of pictures, are learned one after another, exported to int8, and
    answered in a process without torch. Tables show the figures, and a report of each is left in OUT.
    """
    import shutil

    from cfedge.demo import FOLDERS, run
    from cfedge.errors import UsageError
    from cfedge.outside import check_folder

    for name in FOLDERS:
        check_folder(out / name)
    left = [path for path in (out / name for name in FOLDERS) if path.exists()]
    if left and not replace:
        raise UsageError(
            f"{left[0]}: expected a new folder, found an earlier demo; use --replace or another"
            " --out"
        )
    for path in left:
        shutil.rmtree(path)
    found = run(out, quick=quick, folder=folder, progress=TerminalProgress())
    if json:
        print_json(dataclasses.asdict(found))
        return
    show(found, out)


def show(found: DemoResult, out: Path) -> None:
    """Print what a demo found, and what it left in `out`."""
    for stream in (found.sentences, found.pictures):
        _show(stream)
    _show_ways_on(found, out)


def _show(found: StreamResult) -> None:
    """Print what was measured of a stream, and the answers to a few inputs."""
    say("")
    print_table(
        f"{found.title}. Learned one task after another, without old data",
        ("task", "classes", "learned from", "wrong, when learned", "wrong, at the end", "promised at most", "adds"),
        [
            (
                row.task, row.classes, row.examples, f"{1 - row.accuracy_when_learned:.1%}",
                f"{1 - row.accuracy_int8:.1%}", f"{row.wrong_answer_at_most:.1%}", size(row.added_bytes),
            )
            for row in found.tasks
        ],
    )  # fmt: skip
    tested, held_out = (
        " or ".join(map(str, sorted(counts)))
        for counts in ({row.tested for row in found.tasks}, {row.held_out for row in found.tasks})
    )
    off = max(map(_uncertainty, found.tasks))
    say(
        f"Wrong: task or label, of {tested} test inputs of each task. A share of so few is itself"
        f" uncertain, here by up to {100 * off:.0f} points."
    )
    say(
        f"Promised: from {held_out} other inputs of each, with 95% confidence for all tasks at once."
    )
    for line in above_promise(found.tasks):
        say(line)
    say("")
    print_table(
        "All tasks together, int8, answered in a process without torch",
        ("what", "value"),
        [
            ("right answers: task and label", f"{found.last_accuracy:.1%}"),
            ("right task found", f"{found.task_identification:.1%}"),
            ("right label where the task is given", f"{found.known:.1%}"),
            ("lost when later tasks were learned, mean", f"{found.forgetting:.1%}"),
            *(
                (
                    f"called unknown, {row.kind} ({row.what})",
                    f"{row.called_unknown} of {row.count}",
                )
                for row in found.unknown
            ),
            ("called unknown by mistake (of the tasks' own)", f"{found.false_rejects:.1%}"),
            ("an answer, median", f"{found.ms_per_input:.2f} ms"),
            ("encoder, shared by all tasks", size(found.backbone_bytes)),
            ("a task, mean", size(int(found.task_bytes))),
        ],
    )
    say("A few answers:")
    for answer in found.live:
        _show_answer(answer)


def above_promise(rows: Sequence[TaskRow]) -> list[str]:
    """Say of each task of which more test answers were wrong than was promised, whether chance alone
    could have done that.
    """
    from cfedge.confidence import lower_bound

    lines = []
    for row in rows:
        wrong = round((1 - row.accuracy_int8) * row.tested)
        if wrong <= row.wrong_answer_at_most * row.tested:
            continue
        chance = lower_bound(wrong, row.tested, 0.05) <= row.wrong_answer_at_most
        lines.append(
            f"{row.task}: more were wrong than was promised, {wrong} of {row.tested};"
            f" {'on so few that may be chance' if chance else 'chance hardly explains that'}."
        )
    return lines


def _uncertainty(row: TaskRow) -> float:
    """Return half of the 95 % interval of a row's share of wrong test answers (Agresti and Coull
    1998).
    """
    count = row.tested + 4
    share = ((1 - row.accuracy_int8) * row.tested + 2) / count
    return 1.96 * sqrt(share * (1 - share) / count)


def _show_answer(answer: dict[str, Any]) -> None:
    if answer["unknown"]:
        verdict = "unknown"
    else:
        where, probability = f"{answer['task']}/{answer['label']}", answer["probability"]
        verdict = f"{doubt(probability)}{where} ({probability:.0%})"
    say(f"  {answer['input']}")
    say(f"    -> {verdict}")


def _show_ways_on(found: DemoResult, out: Path) -> None:
    """Print what to do next; the reports last."""
    sentences, pictures = out / "sentences", out / "pictures"
    say("")
    say("Ask it yourself:")
    say(f'  cfedge predict {sentences / "bundle"} "your words"')
    say(f"  cfedge predict {pictures / 'bundle'} your-picture.jpg")
    say("See which tasks and labels are taken for which:")
    say(f"  cfedge inspect {sentences / 'workspace'}")
    say("Open the reports in a browser; they need no network:")
    for stream in (found.sentences, found.pictures):
        say(f"  {Path(stream.report).resolve().as_uri()}")
