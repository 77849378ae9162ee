"""init, add, remove, export: the commands that make a workspace and a bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.evidence import JSON, WORKSPACE, certified, warnings
from cfedge.cli.show import TerminalProgress, print_json, print_table, size

if TYPE_CHECKING:
    from cfedge.train.settings import Settings
    from cfedge.train.workspace import Workspace
    from cfedge_export.prepare import Source
    from cfedge_export.schemes import Choice


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)
    app.command("add", epilog="Example: cfedge add ws lighting --data lighting.csv; or cfedge add ws --data tasks.csv --jobs 2")(
        add
    )
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)
    app.command("export", epilog="Example: cfedge export ws bundle")(export)


def init(
    workspace: WORKSPACE,
    backbone: Annotated[str, typer.Option(help="minilm-l6, or local: any BERT-like encoder in --folder.")] = "minilm-l6",
    folder: Annotated[Path | None, typer.Option(help="Where the weights are; otherwise they are found.")] = None,
    split: Annotated[int | None, typer.Option(help="Blocks in the trunk; otherwise measured or the default.")] = None,
    measure: Annotated[
        Path | None, typer.Option(help="Labelled texts (CSV, JSONL, folder) to measure the split on, and --scheme auto.")
    ] = None,
    slots: Annotated[str, typer.Option(help="Products with a low-rank slot: of qkv,o,fc1,fc2.")] = "qkv,fc1",
    scheme: Annotated[
        str | None,
        typer.Option(
            help="Quantisation: int8-row, int8-row-7bit, int8-dynamic, int8-weight-only, float32; auto: measured here. [default: int8-row]",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="The board of devices/ that will answer: picks the scheme by rules.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="A bundle or store: make its very backbone, to teach tasks that run beside its own.")
    ] = None,
    json: JSON = False,
) -> None:
    """Prepare a backbone once: export, cut, quantise, freeze."""
    from cfedge.errors import UsageError
    from cfedge.store import bundle_at
    from cfedge.train.data import load
    from cfedge_export.parts import shipped_bytes
    from cfedge_export.prepare import check_target, load_source, prepare

    if like and (scheme or profile):
        raise UsageError(
            "--like: expected no --scheme or --profile with it, found both; the scheme is that of the other backbone"
        )
    sample = load(measure).train if measure else None
    shown, source, choice = TerminalProgress(), None, None
    if scheme == "auto":
        check_target(workspace)
        source = load_source(backbone, folder)
    if not like:
        choice = _choice(scheme, profile, source, sample.texts if sample else (), shown)
    made = prepare(
        workspace, backbone, folder=folder, split=split, sample=sample,
        parts=tuple(part.strip() for part in slots.split(",") if part.strip()), source=source,
        like=bundle_at(like).manifest.backbone if like else None, progress=shown, **({"scheme": choice.scheme} if choice else {}),
    )  # fmt: skip
    record, parts = made.backbone, shipped_bytes(made)
    shipped = sum(parts.values())
    if json:
        print_json({
            "workspace": str(workspace), "backbone": dataclasses.asdict(record), "digest": record.digest, "bytes": shipped,
            "bytes_by_part": parts, "scheme": dataclasses.asdict(choice) if choice else None,
        })  # fmt: skip
        return
    if choice and choice.measured:
        print_table(
            "schemes on this machine, one text at a time",
            ("scheme", "MB", "mean cosine", "least", "time / float32", "not picked, as it"),
            [
                (
                    one.scheme, f"{one.size_bytes / 1e6:.1f}", f"{one.mean_cosine:.4f}", f"{one.least_cosine:.4f}",
                    f"{one.time_ratio:.2f}", one.reason,
                )
                for one in choice.measured
            ],
        )  # fmt: skip
    print(
        f"{workspace}: {record.name} ({record.source_sha256[:12]}), {record.blocks} blocks cut before block {record.split}, "
        f"{record.scheme}, {size(shipped)} to ship: {', '.join(f'{part} {size(value)}' for part, value in parts.items())}"
    )
    if choice and choice.why:
        print(f"{choice.scheme}: {choice.why}")


def _choice(
    scheme: str | None, profile: str | None, source: Source | None, texts: Sequence[str], progress: TerminalProgress
) -> Choice:
    """What --scheme and --profile come to."""
    import numpy as np

    from cfedge.device import here, known_profile
    from cfedge.runtime.preprocess import TextPreprocessor
    from cfedge_export import choose, schemes

    board = known_profile(profile) if profile else None
    if source is not None:
        preprocess = TextPreprocessor(source.tokenizer, source.max_tokens)
        measured = choose.measure(
            source.encoder, preprocess, texts or _own_texts(), board or here(), rng=np.random.default_rng(0), progress=progress
        )
        return choose.pick(measured)
    if board and not scheme:
        return schemes.by_rules(board)
    chosen = scheme or schemes.DEFAULT
    if board:
        schemes.check_fit(chosen, board)
    return schemes.Choice(chosen, "as it was asked for" if scheme else "")


def _own_texts() -> tuple[str, ...]:
    """The demo's texts, to measure on where none were given."""
    from cfedge.demo import data_folder
    from cfedge.train.data import load

    return tuple(text for folder in sorted(data_folder().iterdir()) if folder.is_dir() for text in load(folder).train.texts)


def add(
    workspace: WORKSPACE,
    data: Annotated[
        Path,
        typer.Option(
            help="CSV or JSONL with text,label; a folder of splits; a datasets folder. Without TASK: a folder of tasks, or a column task."
        ),
    ],
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="Name of the task; left out: DATA holds several.")] = None,
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
    threads: Annotated[int | None, typer.Option(help="Torch threads, of each job.")] = None,
    jobs: Annotated[int, typer.Option(help="Tasks that are learned at once, each in a process.")] = 1,
    device: Annotated[str, typer.Option(help="Where the adapter is trained: cpu, cuda, cuda:1...")] = "cpu",
    precision: Annotated[str, typer.Option(help="Of the products while training: float32 or bf16.")] = "float32",
    replace: Annotated[bool, typer.Option("--replace", help="Learn tasks of these names anew.")] = False,
    json: JSON = False,
) -> None:
    """Learn one task, or several; of the others nothing is changed, and nothing read but labels and, with --reuse, adapters."""
    from cfedge.errors import UsageError
    from cfedge.train.data import load, load_file
    from cfedge.train.head import FEW, few_examples, learn_head
    from cfedge.train.settings import Settings
    from cfedge.train.workspace import Workspace

    if head_only and reuse:
        raise UsageError("--head-only: expected no --reuse with it, found both; a closed-form head has no low-rank units to mix")
    settings = Settings(
        rank=rank, epochs=epochs, learning_rate=learning_rate, held_out=share, reuse=reuse, pool_limit=pool_limit,
        orthogonality=orthogonality, l1=l1, l2=l2, seed=seed, threads=threads, device=device, precision=precision,
    )  # fmt: skip
    opened = Workspace(workspace)
    if task is None:
        if held_out:
            raise UsageError("--held-out: expected the name of one task with it, found none; add the tasks one by one")
        _add_several(opened, data, settings, head_only, jobs, replace, json)
        return
    if jobs != 1:
        raise UsageError(f"--jobs: expected several tasks (leave TASK out), found {jobs} jobs for task {task!r}")
    loaded = load(data)
    evidence = load_file(held_out) if held_out else loaded.held_out
    shown = TerminalProgress(f"{task}: ")
    few = head_only is None and not reuse and few_examples(loaded.train)
    if head_only or few:
        learned = learn_head(
            opened, task, loaded.train, evidence, share=share, seed=seed, threads=threads or 1, replace=replace, progress=shown
        )
    else:
        from cfedge.train.learner import learn

        learned = learn(opened, task, loaded.train, evidence, settings=settings, replace=replace, progress=shown)
    rows, pairs = certified(opened, [task])
    row = next(row for row in rows if row["task"] == task)
    if json:
        print_json({**row, "method": learned.record.settings.get("method", "adapter"), "overlaps": pairs})
        return
    print(_learned(row, f"a closed-form head (fewer than {FEW} examples a class; --train for an adapter), " if few else ""))
    for line in warnings([row], pairs):
        print(line)


def _add_several(
    workspace: Workspace, data: Path, settings: Settings, head_only: bool | None, jobs: int, replace: bool, json: bool
) -> None:
    """Learn every task of a folder or file; those that fail are named, the others stay."""
    from cfedge.errors import CfedgeError
    from cfedge.study.stream import load_tasks
    from cfedge.train.head import FEW, few_examples, learn_head

    tasks = load_tasks(data)
    few = [name for name, one in tasks.items() if head_only is None and not settings.reuse and few_examples(one.train)]
    closed = list(tasks) if head_only else few
    failed: dict[str, CfedgeError] = {}
    for name in closed:
        one, shown = tasks[name], TerminalProgress(f"{name}: ")
        try:
            learn_head(
                workspace, name, one.train, one.held_out, share=settings.held_out, seed=settings.seed, threads=settings.threads or 1,
                replace=replace, progress=shown,
            )  # fmt: skip
        except CfedgeError as error:
            failed[name] = error
    if rest := {name: one for name, one in tasks.items() if name not in closed}:
        from cfedge.train.jobs import learn_many

        failed |= learn_many(workspace, rest, settings=settings, jobs=jobs, replace=replace, progress=TerminalProgress())
    done = [name for name in tasks if name not in failed]
    rows, pairs = certified(workspace, done)
    rows = [row for row in rows if row["task"] in done]
    if json:
        print_json({"learned": rows, "overlaps": pairs, "failed": {name: str(error) for name, error in failed.items()}})
    else:
        for row in rows:
            print(_learned(row, f"a closed-form head (fewer than {FEW} examples a class), " if row["task"] in few else ""))
        for line in warnings(rows, pairs):
            print(line)
    if failed:
        (name, first), *more = failed.items()
        others = f" ({len(more)} more failed: {', '.join(one for one, _ in more)})" if more else ""
        raise type(first)(f"task {name!r}: {first}; {len(done)} of {len(tasks)} tasks were added{others}") from first


def _learned(row: dict[str, Any], how: str = "") -> str:
    return (
        f"{row['task']}: learned {how}{row['classes']} classes from {row['examples']} examples; held out {row['held_out']}: picks "
        f"another task in {row['errors']}, at most {row['limit']:.1%} of inputs with all tasks together"
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
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The bundle's folder; with --merged the file.")],
    merged: Annotated[
        str | None, typer.Option(metavar="TASK", help="Write one plain ONNX file instead: token ids to the scores of this task.")
    ] = None,
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

    opened, gate, shown = Workspace(workspace), Gate(max_drop, max_error_ratio, strict), TerminalProgress()
    if merged is not None:
        from cfedge_export.merged import export_merged

        file = export_merged(opened, merged, out, gate=gate, replace=replace, progress=shown)
        if json:
            print_json(
                {"file": str(out), "tokenizer": str(opened.folder / "backbone" / "tokenizer.json"), **dataclasses.asdict(file)}
            )
            return
        print(
            f"{out}: {size(file.size_bytes)}, input_ids -> scores of {len(file.labels)} labels, within {file.difference:.1g} of the engine "
            f"on {file.parity.examples} held-out texts; its tokenizer is {opened.folder / 'backbone' / 'tokenizer.json'}"
        )
        return
    done = write(opened, out, gate=gate, replace=replace, progress=shown)
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
