"""init, add, remove: the commands that make a workspace and its tasks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.budgets import P90, RAM, check_alone, kept_to
from cfedge.cli.budgets import budget as parse_budget
from cfedge.cli.evidence import JSON, WORKSPACE, certified, warnings
from cfedge.cli.show import TerminalProgress, print_json, print_table, size

if TYPE_CHECKING:
    from cfedge.train.settings import Settings
    from cfedge.train.workspace import Workspace
    from cfedge_export.sensitivity import Sensitivity


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)
    app.command(
        "add",
        epilog=(
            "Example: cfedge add ws lighting --data lighting.csv; or cfedge add ws --data tasks.csv"
            " --jobs 2"
        ),
    )(add)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)


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
    slots: Annotated[
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
    like: Annotated[
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
    mend: Annotated[
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
            help="With --mend: the largest accuracy drop that export allowed.", show_default="1.0"
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --mend: as it was given to export.")
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
    from cfedge_export import plan, schemes
    from cfedge_export.parity import Gate
    from cfedge_export.parts import shipped_bytes
    from cfedge_export.prepare import check_parts, check_target, load_source, prepare, slot_parts
    from cfedge_export.sensitivity import float_layers

    asked = {
        "--scheme": scheme,
        "--profile": profile,
        "--sensitivity": sensitivity,
        "--ram": ram,
        "--p90": p90,
    }
    check_alone("--like", like, {**asked, "--mend": mend})
    check_alone("--mend", mend, {**asked, "--split": split})
    if not mend and (drop is not None or strict):
        raise UsageError(
            "--drop, --strict: expected --mend with them, found none; without tasks there is no"
            " accuracy to lose"
        )
    gate = Gate(1.0 if drop is None else drop, strict=strict)
    products = tuple(part.strip() for part in slots.split(",") if part.strip())
    sample = load(measure).train if measure else None
    board, budget, shown = (
        known_profile(profile) if profile else None,
        parse_budget(ram, p90),
        TerminalProgress(),
    )
    planned, mended = None, Workspace(mend) if mend else None
    check_target(workspace)
    if like:
        other = bundle_at(like)
        record = other.manifest.backbone
        left = float_layers(other[record.trunk], other[record.tail])
        made = prepare(
            workspace, backbone, folder=folder, like=record, float_layers=left, progress=shown
        )
    else:
        check_parts(products)
        if scheme != "auto":
            schemes.by_request(scheme, board)  # refused before the weights are looked for
        with shown.track("encoder", 1) as advance:
            source = load_source(backbone, folder)
            advance(1)
        if mended:
            planned, products = (
                plan.mend(mended, source, gate=gate, progress=shown),
                slot_parts(mended.backbone),
            )
        else:
            planned = plan.plan(
                source, sample.texts if sample else _own_texts(), parts=products, scheme=scheme, split=split, sample=sample,
                profile=board, at_least=sensitivity, budget=budget, progress=shown,
            )  # fmt: skip
        made = prepare(
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
        for text in load(folder).train.texts
    )


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
        f" {row['limit']:.1%} of inputs with all tasks together"
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
