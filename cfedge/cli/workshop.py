"""init, add, list, inspect, remove, evaluate, export: the commands of the machine that trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cfedge.cli.show import TerminalProgress, print_json, print_table, size

WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="The workspace's folder.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("init", epilog="Example: cfedge init ws --backbone minilm-l6")(init)
    app.command("add", epilog="Example: cfedge add ws lighting --data lighting.csv")(add)
    app.command("list", epilog="Example: cfedge list ws")(list_tasks)
    app.command("inspect", epilog="Example: cfedge inspect ws --json")(inspect_tasks)
    app.command("remove", epilog="Example: cfedge remove ws lighting")(remove)
    app.command("evaluate", epilog="Example: cfedge evaluate ws --test lighting=lighting-test.csv")(evaluate)
    app.command("export", epilog="Example: cfedge export ws bundle")(export)


def init(
    workspace: WORKSPACE,
    backbone: Annotated[str, typer.Option(help="minilm-l6, or local: any BERT-like encoder in --folder.")] = "minilm-l6",
    folder: Annotated[Path | None, typer.Option(help="Where the weights are; otherwise they are found.")] = None,
    split: Annotated[int | None, typer.Option(help="Blocks in the trunk; otherwise measured or the default.")] = None,
    measure: Annotated[Path | None, typer.Option(help="Labelled texts (CSV, JSONL, folder) to measure the split on.")] = None,
    slots: Annotated[str, typer.Option(help="Products with a low-rank slot: of qkv,o,fc1,fc2.")] = "qkv,fc1",
    scheme: Annotated[str, typer.Option(help="Quantisation: int8-row or float32.")] = "int8-row",
    json: JSON = False,
) -> None:
    """Prepare a backbone once: export, cut, quantise, freeze."""
    from cfedge.train.data import load
    from cfedge_export.prepare import prepare

    made = prepare(
        workspace, backbone, folder=folder, split=split, sample=load(measure).train if measure else None,
        parts=tuple(part.strip() for part in slots.split(",") if part.strip()), scheme=scheme, progress=TerminalProgress(),
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
    from cfedge.train.data import load, load_file
    from cfedge.train.head import FEW, few_examples, learn_head
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    loaded = load(data)
    evidence = load_file(held_out) if held_out else loaded.held_out
    shown = TerminalProgress(f"{task}: ")
    few = head_only is None and few_examples(loaded.train)
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
    row = next(row for row in _rows(opened) if row["task"] == task)
    if json:
        print_json({**row, "method": learned.record.settings.get("method", "adapter")})
    else:
        how = f"a closed-form head (fewer than {FEW} examples a class; --train for an adapter), " if few else ""
        print(
            f"{task}: learned {how}{len(learned.record.classes)} classes from {learned.record.examples} examples; held out "
            f"{row['held_out']}: picks another task in {row['errors']}, at most {row['limit']:.1%} of inputs with all tasks together"
        )


def list_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show the tasks and their certificates."""
    from cfedge.train.workspace import Workspace

    rows = _rows(Workspace(workspace))
    if json:
        print_json(rows)
        return
    columns = ("task", "classes", "examples", "held out", "wrong task", "limit", "nearest rival", "unknown above")
    print_table(
        f"{workspace}: {len(rows)} tasks",
        columns,
        [
            (
                row["task"], row["classes"], row["examples"], row["held_out"], row["errors"], f"{row['limit']:.1%}",
                f"{row['rival']} ({row['rival_errors']})" if row["rival"] else "none", f"{row['threshold']:.1f}",
            )
            for row in rows
        ],
    )  # fmt: skip


def inspect_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show how often each task's inputs go to another task: measured, certified, and by the lookup's own model."""
    from cfedge.train.certificate import inspect
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    rows = _rows(opened)
    names = opened.tasks
    found = (
        inspect(
            {name: opened.signature(name).trunk for name in names},
            {name: opened.held_out(name).features.trunk for name in names},
        )
        if names
        else {}
    )
    if json:
        print_json([{**row, "model": dataclasses.asdict(found[row["task"]])} for row in rows])
        return
    print_table(
        f"{workspace}: picks another task (limits hold for all tasks together; the model is the first look's)",
        (
            "task", "held out", "wrong", "limit", "first look wrong", "model bound", "status", "nearest rival", "separation",
            "taken by it", "reuses",
        ),
        [
            (
                row["task"], row["held_out"], f"{row['errors'] / row['held_out']:.2%}", f"{row['limit']:.1%}",
                f"{one.errors / row['held_out']:.2%}", f"{one.bound:.2%}" if one.bound < 1 else ">= 100%", one.status, one.nearest,
                "-" if one.separation is None else f"{one.separation:.1f}", one.nearest_errors, _reused(row["transfer"]),
            )
            for row, one in ((row, found[row["task"]]) for row in rows)
        ],
    )  # fmt: skip


def remove(workspace: WORKSPACE, task: Annotated[str, typer.Argument(metavar="TASK")], json: JSON = False) -> None:
    """Remove a task; the others stay as they are."""
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    opened.remove(task)
    if json:
        print_json({"removed": task, "tasks": opened.tasks})
    else:
        print(f"{task}: removed; {len(opened.tasks)} tasks left")


def evaluate(
    workspace: WORKSPACE,
    test: Annotated[list[str], typer.Option(help="TASK=FILE: test examples of a task; repeat for each task.")],
    unknown: Annotated[Path | None, typer.Option(help="CSV or JSONL with a column text: inputs of no task.")] = None,
    json: JSON = False,
) -> None:
    """Measure accuracy, retrieval and task-known accuracy on test data, per sample, through the int8 runtime.

    With --unknown also how well inputs of no task are told apart: AUROC, false positives at 95 % detection, risk by coverage.
    """
    from cfedge.errors import UsageError
    from cfedge.runtime.engine import Engine
    from cfedge.train.data import load_file
    from cfedge.train.metrics import evaluate as measure
    from cfedge.train.metrics import risk_coverage, unknown_detection
    from cfedge.train.workspace import Workspace
    from cfedge_export.pack import build

    data = {}
    for pair in test:
        name, _, file = pair.partition("=")
        if not file:
            raise UsageError(f"--test: expected TASK=FILE, found {pair!r}")
        data[name] = load_file(Path(file))
    engine = Engine(build(Workspace(workspace)))
    scores = measure(engine, data)
    apart: dict[str, Any] = {}
    if unknown is not None:
        strangers = engine.predict(load_file(unknown, label="text").texts)
        known = {name: engine.predict(examples.texts) for name, examples in data.items()}
        answers = [one for name in data for one in known[name]]
        right = [
            one.task == name and one.label == label
            for name in data
            for one, label in zip(known[name], data[name].labels, strict=True)
        ]
        curve = risk_coverage([*right, *(False for _ in strangers)], [-one.distance for one in [*answers, *strangers]])
        apart = {**dataclasses.asdict(unknown_detection(answers, strangers)), "risk_coverage": dataclasses.asdict(curve)}
    if json:
        print_json({**dataclasses.asdict(scores), **({"unknown": apart} if apart else {})})
        return
    print_table(
        "per sample, int8 runtime",
        ("task", "examples", "accuracy", "retrieval", "task known"),
        [(one.task, one.examples, f"{one.accuracy:.3f}", f"{one.retrieval:.3f}", f"{one.known:.3f}") for one in scores.tasks],
    )
    print(
        f"accuracy {scores.accuracy:.3f} (task mean {scores.task_mean:.3f}), retrieval {scores.retrieval:.3f}, task known {scores.known:.3f}, "
        f"second looks {scores.second_looks:.1%}"
    )
    if apart:
        print(
            f"inputs of no task: AUROC {apart['auroc']:.3f}, false positives at 95 % detection {apart['fpr95']:.1%}, called unknown "
            f"{apart['detected']:.1%} (of known inputs {apart['false_rejects']:.1%}), mean risk over coverage {apart['risk_coverage']['area']:.3f}"
        )


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


def _reused(transfer: Mapping[str, float]) -> str:
    shares = sorted(((share, name) for name, share in transfer.items() if name != "new" and share >= 0.005), reverse=True)
    return ", ".join(f"{name} {share:.0%}" for share, name in shares) or "nothing"


def _ratio(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "float made none"
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _rows(workspace: Any) -> list[dict[str, Any]]:
    """One record a task: what it is and what its certificate says of all tasks together."""
    from cfedge.train.certificate import certify, route

    names = workspace.tasks
    if not names:
        return []
    held_out = {name: workspace.held_out(name).features for name in names}
    router = route({name: workspace.signature(name) for name in names}, held_out)
    evidence = certify({name: router(held_out[name]) for name in names})
    rows = []
    for name in names:
        record, found = workspace.record(name), evidence[name]
        rows.append(
            {
                "task": name, "classes": len(record.classes), "labels": list(record.classes), "examples": record.examples,
                "transfer": dict(record.transfer), "threshold": found.threshold, **dataclasses.asdict(found.certificate),
            }
        )  # fmt: skip
    return rows
