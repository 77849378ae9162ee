"""init, add, remove, export: the commands that make a workspace and a bundle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.evidence import JSON, WORKSPACE, certified_rows
from cfedge.cli.show import TerminalProgress, print_json, print_table, size


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)
    app.command("add", epilog="Example: cfedge add ws lighting --data lighting.csv")(add)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)
    app.command("export", epilog="Example: cfedge export ws bundle")(export)


def init(
    workspace: WORKSPACE,
    backbone: Annotated[str, typer.Option(help="minilm-l6, or local: any BERT-like encoder in --folder.")] = "minilm-l6",
    folder: Annotated[Path | None, typer.Option(help="Where the weights are; otherwise they are found.")] = None,
    split: Annotated[int | None, typer.Option(help="Blocks in the trunk; otherwise measured or the default.")] = None,
    measure: Annotated[Path | None, typer.Option(help="Labelled texts (CSV, JSONL, folder) to measure the split on.")] = None,
    slots: Annotated[str, typer.Option(help="Products with a low-rank slot: of qkv,o,fc1,fc2.")] = "qkv,fc1",
    scheme: Annotated[str, typer.Option(help="Quantisation: int8-row or float32.")] = "int8-row",
    like: Annotated[
        Path | None, typer.Option(help="A bundle or store: make its very backbone, to teach tasks that run beside its own.")
    ] = None,
    json: JSON = False,
) -> None:
    """Prepare a backbone once: export, cut, quantise, freeze."""
    from cfedge.store import bundle_at
    from cfedge.train.data import load
    from cfedge_export.prepare import prepare

    made = prepare(
        workspace, backbone, folder=folder, split=split, sample=load(measure).train if measure else None,
        parts=tuple(part.strip() for part in slots.split(",") if part.strip()), scheme=scheme,
        like=bundle_at(like).manifest.backbone if like else None, progress=TerminalProgress(),
    )  # fmt: skip
    record = made.backbone
    shipped = record.trunk.size + record.tail.size + record.tokenizer.size
    if json:
        print_json(
            {"workspace": str(workspace), "backbone": dataclasses.asdict(record), "digest": record.digest, "bytes": shipped}
        )
    else:
        print(
            f"{workspace}: {record.name} ({record.source_sha256[:12]}), {record.blocks} blocks cut before block {record.split}, "
            f"{record.scheme}, {size(shipped)} to ship"
        )


def add(
    workspace: WORKSPACE,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    data: Annotated[Path, typer.Option(help="CSV or JSONL with text,label; or a folder of splits; or a datasets folder.")],
    held_out: Annotated[Path | None, typer.Option(help="Held-out examples; otherwise a share of the data.")] = None,
    share: Annotated[float, typer.Option(help="Share of each class held out, where none are given.")] = 0.2,
    rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = 8,
    epochs: Annotated[int, typer.Option(help="Passes over the data (small tasks take more).")] = 6,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    head_only: Annotated[
        bool | None, typer.Option("--head-only/--train", help="Closed-form head, no adapter; otherwise where examples are few.")
    ] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help="Mix earlier tasks' low-rank units in.")] = False,
    pool_limit: Annotated[int, typer.Option(help="Most units of a product that are reused.")] = 32,
    orthogonality: Annotated[str, typer.Option(help="Of new units to reused ones: none, penalty or projection.")] = "projection",
    l1: Annotated[float, typer.Option(help="Weight of the reuse scalars' absolute values.")] = 0.006,
    l2: Annotated[float, typer.Option(help="Weight of the reuse scalars' squares.")] = 0.006,
    seed: Annotated[int, typer.Option(help="Of initial values, order and split.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Torch threads.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Learn a task of this name anew.")] = False,
    json: JSON = False,
) -> None:
    """Learn one task; of the others nothing is changed, and nothing read but labels and, with --reuse, adapters."""
    from cfedge.errors import UsageError
    from cfedge.train.data import load, load_file
    from cfedge.train.head import FEW, few_examples, learn_head
    from cfedge.train.workspace import Workspace

    if head_only and reuse:
        raise UsageError("--head-only: expected no --reuse with it, found both; a closed-form head has no low-rank units to mix")
    opened = Workspace(workspace)
    loaded = load(data)
    evidence = load_file(held_out) if held_out else loaded.held_out
    shown = TerminalProgress(f"{task}: ")
    few = head_only is None and not reuse and few_examples(loaded.train)
    if head_only or few:
        learned = learn_head(
            opened, task, loaded.train, evidence, share=share, seed=seed, threads=threads or 1, replace=replace, progress=shown
        )
    else:
        from cfedge.train.learner import Settings, learn

        settings = Settings(
            rank=rank, epochs=epochs, learning_rate=learning_rate, held_out=share, reuse=reuse, pool_limit=pool_limit,
            orthogonality=orthogonality, l1=l1, l2=l2, seed=seed, threads=threads,
        )  # fmt: skip
        learned = learn(opened, task, loaded.train, evidence, settings=settings, replace=replace, progress=shown)
    row = next(row for row in certified_rows(opened) if row["task"] == task)
    if json:
        print_json({**row, "method": learned.record.settings.get("method", "adapter")})
    else:
        how = f"a closed-form head (fewer than {FEW} examples a class; --train for an adapter), " if few else ""
        print(
            f"{task}: learned {how}{len(learned.record.classes)} classes from {learned.record.examples} examples; held out "
            f"{row['held_out']}: picks another task in {row['errors']}, at most {row['limit']:.1%} of inputs with all tasks together"
        )


def remove(workspace: WORKSPACE, task: Annotated[str, typer.Argument(metavar="TASK")], json: JSON = False) -> None:
    """Remove a task; the others stay as they are."""
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    opened.remove(task)
    if json:
        print_json({"removed": task, "tasks": opened.tasks})
    else:
        print(f"{task}: removed; {len(opened.tasks)} tasks left")


def export(
    workspace: WORKSPACE,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The bundle's folder.")],
    max_drop: Annotated[float, typer.Option(help="Largest accuracy drop of a task, in points.")] = 1.0,
    max_error_ratio: Annotated[float, typer.Option(help="Largest int8 / float error ratio of a task.")] = 1.25,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse also what chance explains on so few examples.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
    json: JSON = False,
) -> None:
    """Write a quantised bundle, if it answers as the float model does."""
    from cfedge.train.workspace import Workspace
    from cfedge_export.pack import export as write
    from cfedge_export.parity import Gate

    done = write(
        Workspace(workspace), out, gate=Gate(max_drop, max_error_ratio, strict), replace=replace, progress=TerminalProgress()
    )
    whole = sum(len(data) for data in done.bundle.objects.values())
    if json:
        print_json({"bundle": str(out), "bytes": whole, "parity": [dataclasses.asdict(one) for one in done.parity]})
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


def _ratio(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "float made none"
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
