"""add, remove: the commands that teach a workspace its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cfedge.cli.evidence import JSON, WORKSPACE, certified, warnings
from cfedge.cli.show import TerminalProgress, print_json


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        "add",
        epilog=(
            "Example: cfedge add ws lighting --data lighting.csv; or cfedge add ws --data tasks.csv"
            " --jobs 2"
        ),
    )(add)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)


def add(
    workspace: WORKSPACE,
    data: Annotated[
        Path,
        typer.Option(
            help=(
                "CSV or JSONL with text,label; a folder of splits; a datasets folder. Without TASK:"
                " a folder of tasks, or a column task."
            )
        ),
    ],
    task: Annotated[
        str | None,
        typer.Argument(metavar="[TASK]", help="Name of the task; left out: DATA holds several."),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(help="Held-out examples; otherwise a share of the data.")
    ] = None,
    share: Annotated[
        float, typer.Option(help="Share of each class held out, where none are given.")
    ] = 0.2,
    rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = 8,
    epochs: Annotated[int, typer.Option(help="Passes over the data (small tasks take more).")] = 6,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    head_only: Annotated[
        bool | None,
        typer.Option(
            "--head-only/--train",
            help="Closed-form head, no adapter; otherwise where examples are few.",
        ),
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Mix earlier tasks' low-rank units in.")
    ] = False,
    pool_limit: Annotated[int, typer.Option(help="Most units of a product that are reused.")] = 32,
    max_rank: Annotated[
        int, typer.Option(help="Of the adapter once reused and new units are folded into one.")
    ] = 16,
    orthogonality: Annotated[
        str, typer.Option(help="Of new units to reused ones: none, penalty or projection.")
    ] = "projection",
    penalty: Annotated[
        float, typer.Option(help="Weight of the overlap, with --orthogonality penalty.")
    ] = 0.006,
    l1: Annotated[
        float, typer.Option(help="Weight of the reuse scalars' absolute values.")
    ] = 0.006,
    l2: Annotated[float, typer.Option(help="Weight of the reuse scalars' squares.")] = 0.006,
    clusters: Annotated[
        int | None,
        typer.Option(help="Most clusters a class of the second stage; otherwise the default."),
    ] = None,
    exit_share: Annotated[
        float,
        typer.Option(
            help=(
                "Of the task's inputs that may be answered before the tail; 0: none. Where few are"
                " held out none are."
            )
        ),
    ] = 0.85,
    seed: Annotated[int, typer.Option(help="Of initial values, order and split.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Torch threads, of each job.")] = None,
    jobs: Annotated[
        int, typer.Option(help="Tasks that are learned at once, each in a process.")
    ] = 1,
    device: Annotated[
        str, typer.Option(help="Where the adapter is trained: cpu, cuda, cuda:1...")
    ] = "cpu",
    precision: Annotated[
        str, typer.Option(help="Of the products while training: float32 or bf16.")
    ] = "float32",
    replace: Annotated[
        bool, typer.Option("--replace", help="Learn tasks of these names anew.")
    ] = False,
    json: JSON = False,
) -> None:
    """Learn one task, or several; of the others nothing is changed, and nothing read but labels
    and, with --reuse, adapters.
    """
    from cfedge.errors import UsageError
    from cfedge.train.data import load, load_file
    from cfedge.train.examples import LabelledData
    from cfedge.train.settings import Settings
    from cfedge.train.task_files import load_tasks
    from cfedge.train.teach import learn_tasks
    from cfedge.train.workspace import Workspace

    settings = Settings(
        method={None: "auto", True: "closed-form", False: "adapter"}[head_only],
        rank=rank, epochs=epochs, learning_rate=learning_rate, held_out=share, reuse=reuse, pool_limit=pool_limit, max_rank=max_rank,
        orthogonality=orthogonality, penalty=penalty, l1=l1, l2=l2, exit_share=exit_share, seed=seed, threads=threads, device=device,
        precision=precision, **({} if clusters is None else {"clusters": clusters}),
    )  # fmt: skip
    opened = Workspace(workspace)
    if task is None:
        if held_out:
            raise UsageError(
                "--held-out: expected the name of one task with it, found none; add the tasks one"
                " by one"
            )
        tasks = load_tasks(data)
    elif jobs != 1:
        raise UsageError(
            f"--jobs: expected several tasks (leave TASK out), found {jobs} jobs for task {task!r}"
        )
    else:
        loaded = load(data)
        tasks = {
            task: LabelledData(loaded.train, load_file(held_out) if held_out else loaded.held_out)
        }
    shown = TerminalProgress("" if task is None else f"{task}: ")
    taught = learn_tasks(
        opened, tasks, settings=settings, jobs=jobs, replace=replace, progress=shown
    )
    if task is not None and taught.failed:
        raise taught.failed[task]
    rows, pairs = certified(opened, taught.learned)
    rows = [row for row in rows if row["task"] in taught.learned]
    if json and task is not None:
        print_json({**rows[0], "overlaps": pairs})
    elif json:
        failed = {name: str(error) for name, error in taught.failed.items()}
        print_json({"learned": rows, "overlaps": pairs, "failed": failed})
    else:
        for row in rows:
            few = head_only is None and row["method"] == "closed-form"
            print(_learned(row, few=few))
        for line in warnings(rows, pairs):
            print(line)
    taught.check()


def _learned(row: dict[str, Any], *, few: bool) -> str:
    from cfedge.train.head import FEW

    how = (
        f"a closed-form head (fewer than {FEW} examples a class to learn from; --train for an"
        " adapter), "
        if few
        else ""
    )
    return (
        f"{row['task']}: learned {how}{row['classes']} classes from {row['examples']} examples;"
        f" held out {row['held_out']}: picks another task in {row['errors']}, at most"
        f" {row['upper_bound']:.1%} of inputs with all tasks together"
    )


def remove(
    workspace: WORKSPACE, task: Annotated[str, typer.Argument(metavar="TASK")], json: JSON = False
) -> None:
    """Remove a task; the others stay as they are."""
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    opened.remove(task)
    if json:
        print_json({"removed": task, "tasks": opened.tasks})
    else:
        print(f"{task}: removed; {len(opened.tasks)} tasks left")
