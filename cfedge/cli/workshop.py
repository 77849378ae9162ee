"""add, remove: the commands that teach a workspace its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.evidence import JSON, WORKSPACE, certified, warnings
from cfedge.cli.show import TerminalProgress, print_json

if TYPE_CHECKING:
    from cfedge.train.settings import Settings
    from cfedge.train.workspace import Workspace


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
    from cfedge.train.head import few_examples, learn_head
    from cfedge.train.settings import Settings
    from cfedge.train.workspace import Workspace

    if head_only and reuse:
        raise UsageError(
            "--head-only: expected no --reuse with it, found both; a closed-form head has no"
            " low-rank units to mix"
        )
    settings = Settings(
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
        _add_several(opened, data, settings, head_only, jobs, replace, json)
        return
    if jobs != 1:
        raise UsageError(
            f"--jobs: expected several tasks (leave TASK out), found {jobs} jobs for task {task!r}"
        )
    loaded = load(data)
    evidence = load_file(held_out) if held_out else loaded.held_out
    shown = TerminalProgress(f"{task}: ")
    few = (
        head_only is None
        and not reuse
        and few_examples(loaded.train, share if evidence is None else None)
    )
    if head_only or few:
        learn_head(
            opened, task, loaded.train, evidence, share=share, clusters=settings.clusters, exit_share=exit_share, seed=seed,
            threads=threads or 1, replace=replace, progress=shown,
        )  # fmt: skip
    else:
        from cfedge.train.learner import learn

        learn(
            opened, task, loaded.train, evidence, settings=settings, replace=replace, progress=shown
        )
    rows, pairs = certified(opened, [task])
    row = next(row for row in rows if row["task"] == task)
    if json:
        print_json({**row, "overlaps": pairs})
        return
    print(_learned(row, few=few))
    for line in warnings([row], pairs):
        print(line)


def _add_several(
    workspace: Workspace,
    data: Path,
    settings: Settings,
    head_only: bool | None,
    jobs: int,
    replace: bool,
    json: bool,
) -> None:
    """Learn every task of a folder or file; those that fail are named, the others stay."""
    from cfedge.errors import CfedgeError
    from cfedge.study.stream import load_tasks
    from cfedge.train.head import few_examples, learn_head

    tasks = load_tasks(data)
    workspace.check_several(
        {name: one.train.classes for name, one in tasks.items()}, replace=replace
    )
    few = [
        name
        for name, one in tasks.items()
        if head_only is None
        and not settings.reuse
        and few_examples(one.train, settings.held_out if one.held_out is None else None)
    ]
    closed = list(tasks) if head_only else few
    failed: dict[str, CfedgeError] = {}
    for name in closed:
        one, shown = tasks[name], TerminalProgress(f"{name}: ")
        try:
            learn_head(
                workspace, name, one.train, one.held_out, share=settings.held_out, clusters=settings.clusters,
                exit_share=settings.exit_share, seed=settings.seed, threads=settings.threads or 1, replace=replace, progress=shown,
            )  # fmt: skip
        except CfedgeError as error:
            failed[name] = error
    if rest := {name: one for name, one in tasks.items() if name not in closed}:
        from cfedge.train.jobs import learn_many

        failed |= learn_many(
            workspace,
            rest,
            settings=settings,
            jobs=jobs,
            replace=replace,
            progress=TerminalProgress(),
        )
    done = [name for name in tasks if name not in failed]
    rows, pairs = certified(workspace, done)
    rows = [row for row in rows if row["task"] in done]
    if json:
        print_json(
            {
                "learned": rows,
                "overlaps": pairs,
                "failed": {name: str(error) for name, error in failed.items()},
            }
        )
    else:
        for row in rows:
            print(_learned(row, few=row["task"] in few))
        for line in warnings(rows, pairs):
            print(line)
    if failed:
        (name, first), *more = failed.items()
        others = f" ({len(more)} more failed: {', '.join(one for one, _ in more)})" if more else ""
        raise type(first)(
            f"task {name!r}: {first}; {len(done)} of {len(tasks)} tasks were added{others}"
        ) from first


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
