"""compare: which way to find the task is best on the user's own data, and at what cost."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table, size

if TYPE_CHECKING:
    from cfedge.study.results import Study
    from cfedge.train.examples import Examples
    from cfedge.train.metrics import OpenSet
    from cfedge.train.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("compare", epilog="Example: cfedge compare intents.csv --tasks 5 --orders 3")(
        compare
    )


def compare(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A folder of tasks; or a file with a column task; or any with --tasks.",
        ),
    ],
    tasks: Annotated[
        int | None, typer.Option(help="Split the labels at random into so many tasks.")
    ] = None,
    orders: Annotated[
        int, typer.Option(help="Orders of the tasks, each with a seed of its own.")
    ] = 3,
    seed: Annotated[
        int, typer.Option(help="Of the first order, and of what is split at random.")
    ] = 0,
    unknown: Annotated[
        Path | None,
        typer.Option(
            help="CSV or JSONL with a column text: inputs of no task; how well are they told apart?"
        ),
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Which to measure, separated by commas; otherwise all.")
    ] = None,
    joint: Annotated[
        bool, typer.Option("--joint", help="Also train one adapter on all classes together.")
    ] = False,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential",
            help="Also train one adapter and one head task after task: what forgets.",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(help="Tasks that are learned at once, each in a process.")
    ] = 1,
    backbone: Annotated[
        str, typer.Option(help="minilm-l6, or local: any BERT-like encoder in --folder.")
    ] = "minilm-l6",
    folder: Annotated[
        Path | None, typer.Option(help="Where the weights are; otherwise they are found.")
    ] = None,
    split: Annotated[int | None, typer.Option(help="Blocks in the trunk.")] = None,
    slots: Annotated[
        str, typer.Option(help="Products with a low-rank slot: of qkv,o,fc1,fc2.")
    ] = "qkv,fc1",
    rank: Annotated[int, typer.Option(help="Rank of the adapters.")] = 8,
    epochs: Annotated[int, typer.Option(help="Passes over the data (small tasks take more).")] = 6,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Mix earlier tasks' low-rank units in.")
    ] = False,
    pool_limit: Annotated[int, typer.Option(help="Most units of a product that are reused.")] = 32,
    max_rank: Annotated[
        int, typer.Option(help="Of an adapter once reused and new units are folded into one.")
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
        float, typer.Option(help="Of a task's inputs that may be answered before the tail.")
    ] = 0.85,
    threads: Annotated[int | None, typer.Option(help="Torch threads of each job.")] = None,
    device: Annotated[
        str, typer.Option(help="Where adapters are trained: cpu, cuda, cuda:1...")
    ] = "cpu",
    precision: Annotated[
        str, typer.Option(help="Of the products while training: float32 or bf16.")
    ] = "float32",
    out: Annotated[
        Path | None, typer.Option(help="Write everything measured, accuracy matrices too, as JSON.")
    ] = None,
    plot: PLOT = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn the tasks one after another and compare ways to find an input's task; recommend the
    simplest that is as good.

    Each ablation is one run: without --reuse nothing is handed on; --reuse with --orthogonality
    none, --l1 0 or --l2 0; --split; --rank; --slots; --clusters; --exit-share 0.
    """
    from cfedge.errors import UsageError
    from cfedge.storage import write_file
    from cfedge.study.compare import compare as measure
    from cfedge.study.results import MODELS, recommended, summary
    from cfedge.study.stream import load_stream
    from cfedge.train.data import load_inputs
    from cfedge.train.settings import Settings
    from cfedge_export.make_backbone import make_backbone

    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out: expected a folder {out.parent}, found none; make it first")
    if out is not None and out.is_dir():
        raise UsageError(f"--out: expected a file, found the folder {out}; name a file in it")
    settings = Settings(
        rank=rank, epochs=epochs, learning_rate=learning_rate, reuse=reuse, pool_limit=pool_limit, max_rank=max_rank,
        orthogonality=orthogonality, penalty=penalty, l1=l1, l2=l2, threads=threads, device=device, precision=precision,
        exit_share=exit_share, **({} if clusters is None else {"clusters": clusters}),  # type: ignore[arg-type]
    )  # fmt: skip
    stream = load_stream(data, tasks=tasks, seed=seed)
    out_of_domain = load_inputs(unknown) if unknown else ()
    chosen = (
        [name.strip() for name in models.split(",") if name.strip()] if models else list(MODELS)
    )
    with tempfile.TemporaryDirectory(prefix="cfedge-study-") as scratch:
        base = make_backbone(
            Path(scratch) / "base", backbone, folder=folder, split=split, parts=tuple(part.strip() for part in slots.split(",")),
            progress=TerminalProgress(),
        )  # fmt: skip
        study = measure(
            base, stream, models=chosen, orders=orders, joint=joint, sequential=sequential, jobs=jobs, seed=seed, settings=settings,
            open_set=_open_set({name: one.test for name, one in stream.items()}, out_of_domain) if out_of_domain else None,
            progress=TerminalProgress(),
        )  # fmt: skip
    best = recommended(study)
    record: dict[str, Any] = {
        "recommended": best,
        "summary": summary(study),
        **dataclasses.asdict(study),
    }
    if json:
        print_json(record)
    else:
        _print(str(data), study, orders, jobs, best)
    if out is not None:
        write_file(out, jsonlib.dumps(record, indent=1).encode())
    if plot is not None:
        from cfedge.plot.figure import save
        from cfedge.plot.study import draw_study

        save(draw_study(study), plot)


def _open_set(
    tests: Mapping[str, Examples], out_of_domain: Sequence[str]
) -> Callable[[Workspace], OpenSet]:
    """What measures them on a learned workspace, through the runtime that ships."""
    from cfedge.runtime.engine import Engine
    from cfedge.train.metrics import open_set
    from cfedge_export.pack import build

    labels = {name: one.labels for name, one in tests.items()}

    def measured(workspace: Workspace) -> OpenSet:
        engine = Engine(build(workspace))
        return open_set(
            labels,
            {name: engine.predict(one.inputs) for name, one in tests.items()},
            engine.predict(out_of_domain),
        )

    return measured


def _print(data: str, study: Study, orders: int, jobs: int, best: str) -> None:
    from cfedge.study.results import CEILINGS, FLOORS, MODELS, summary

    rows = summary(study)
    print_table(
        f"{data}: {len(study.tasks)} tasks, {study.test_examples} test examples, mean of {orders} orders, per sample",
        (
            "model", "last accuracy", "+-", "incremental", "task found", "in the best two", "forgetting", "backward", "passes",
            "a task adds", "for its statistics", "made in",
        ),
        [
            (
                model, f"{row['accuracy']:.4f}", f"{row['accuracy_error']:.4f}", f"{row['average_incremental']:.4f}",
                f"{row['retrieval']:.4f}", f"{row['top2']:.4f}", f"{row['forgetting']:.4f}", f"{row['backward_transfer']:+.4f}",
                f"{row['passes']:.2f}", size(int(row["task_bytes"])), size(int(row["statistics_bytes"])),
                f"{_seconds(study, model):.1f} s",
            )
            for model, row in sorted(rows.items(), key=lambda item: item[1]["accuracy"])
        ],
    )  # fmt: skip
    transfer = sum(study.forward_transfer) / len(study.forward_transfer)
    print(f"forward transfer (task given, against the same task learned alone): {transfer:+.4f}")
    beside = f", beside {jobs - 1} others" if jobs > 1 else ""
    print(
        f"a task took {sum(study.learn_seconds) / orders:.1f} s to learn, the mean of all{beside}"
    )
    if study.open_set:
        found = [
            (one.detection.auroc, one.detection.fpr95, one.risk_coverage.area)
            for one in study.open_set
        ]
        auroc, fpr95, area = (sum(values) / orders for values in zip(*found, strict=True))
        print(
            f"inputs of no task, as shipped: AUROC {auroc:.3f}, false positives at 95 % detection"
            f" {fpr95:.1%}, mean risk over coverage {area:.3f}"
        )
    if repeated := sum(study.duplicates.values()):
        print(
            f"{repeated} test texts are, but for case and spaces, also learned from: every figure"
            " is too good by what they count for"
        )
    print(
        f"recommended: {best} ({MODELS[best]}), the simplest within one standard error of the best;"
        f" beside the models: {', '.join((*CEILINGS, *FLOORS))}"
    )
    if best != "cfedge" and "cfedge" in rows:
        print(
            f"cfedge exports and runs its own model alone, here {rows['cfedge']['accuracy']:.4f}:"
            f" {best} is for you to build"
        )


def _seconds(study: Study, model: str) -> float:
    runs = study.runs[model]
    return sum(run.seconds for run in runs) / len(runs)
