"""list, inspect, evaluate: what is known of a workspace's tasks, and how that is measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import PLOT, TerminalProgress, print_json, print_table

if TYPE_CHECKING:
    from cfedge.train.certificate import Inspection
    from cfedge.train.metrics import Scores

__all__ = ["JSON", "WORKSPACE", "certified", "certified_rows", "register", "warnings"]

WORKSPACE = Annotated[Path, typer.Argument(metavar="WS", help="The workspace's folder.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("list", epilog="Example: cfedge list ws")(list_tasks)
    app.command("inspect", epilog="Example: cfedge inspect ws --json")(inspect_tasks)
    app.command("evaluate", epilog="Example: cfedge evaluate ws --test lighting=lighting-test.csv")(
        evaluate
    )


def list_tasks(workspace: WORKSPACE, json: JSON = False) -> None:
    """Show the tasks and their certificates, with the thresholds of unknown inputs at the default
    --false-reject of export.
    """
    from cfedge.train.workspace import Workspace

    rows = certified_rows(Workspace(workspace))
    if json:
        print_json(rows)
        return
    columns = (
        "task",
        "classes",
        "examples",
        "as",
        "held out",
        "wrong task",
        "upper bound",
        "nearest rival",
        "unknown above",
    )
    print_table(
        f"{workspace}: {len(rows)} tasks",
        columns,
        [
            (
                row["task"], row["classes"], row["examples"], row["method"], row["held_out"], row["errors"], f"{row['upper_bound']:.1%}",
                f"{row['rival']} ({row['rival_errors']})" if row["rival"] else "none", f"{row['threshold']:.1f}",
            )
            for row in rows
        ],
    )  # fmt: skip


def inspect_tasks(
    workspace: WORKSPACE,
    mixtures: Annotated[
        bool,
        typer.Option(
            "--mixtures",
            help=(
                "Also bound the errors of comparing mixtures, each task with a covariance of its"
                " own (slow)."
            ),
        ),
    ] = False,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Show how often each task's inputs go to another task: measured, certified, and by the
    lookup's own model.
    """
    from cfedge.train.certificate import inspect, mixture_bounds
    from cfedge.train.workspace import Workspace

    opened = Workspace(workspace)
    rows, pairs = certified(opened, opened.tasks)
    names = opened.tasks
    signatures = {name: opened.signature(name).trunk for name in names}
    bounds = mixture_bounds(signatures, TerminalProgress()) if mixtures else None
    held_out = {
        name: opened.held_out(name).features.trunk[:, : opened.backbone.width] for name in names
    }
    found = inspect(signatures, held_out, mixtures=bounds) if names else {}
    if plot is not None:
        from cfedge.plot.certificates import draw_certificates
        from cfedge.plot.figure import save

        save(draw_certificates(rows), plot)
    if json:
        own = [[pair for pair in pairs if pair["task"] == row["task"]] for row in rows]
        print_json(
            [
                {**row, "model": dataclasses.asdict(found[row["task"]]), "overlaps": one}
                for row, one in zip(rows, own, strict=True)
            ]
        )
        return
    print_table(
        f"{workspace}: picks another task (upper bounds hold for all tasks together; the model is the first stage's)",
        (
            "task", "held out", "wrong", "upper bound", "first stage wrong", "model bound", "status", *(("likelier mixture wrong", "its bound", "status") if mixtures else ()),
            "nearest rival", "separation", "taken by it", "reuses",
        ),
        [
            (
                row["task"], row["held_out"], f"{row['errors'] / row['held_out']:.2%}", f"{row['upper_bound']:.1%}",
                f"{one.errors / row['held_out']:.2%}", _bound(one.bound), one.status,
                *_mixture(one, row["held_out"]), one.nearest,
                "-" if one.separation is None else f"{one.separation:.1f}", one.nearest_errors, _reused(row["transfer"]),
            )
            for row, one in ((row, found[row["task"]]) for row in rows)
        ],
    )  # fmt: skip
    for line in warnings(rows, pairs):
        print(line)


def _mixture(one: Inspection, held_out: int) -> tuple[str, ...]:
    if one.mixture_errors is None or one.mixture_bound is None or one.mixture_status is None:
        return ()
    return f"{one.mixture_errors / held_out:.2%}", _bound(one.mixture_bound), one.mixture_status


def _bound(share: float) -> str:
    return f"{share:.2%}" if share < 1 else ">= 100%"


def warnings(rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What whoever reads these certificates should know: what folding lost, what few held-out texts
    cannot tell, which of them were learned from, tasks that coincide.
    """
    from cfedge.train.certificate import FALSE_REJECT_RATE
    from cfedge.train.composition import KEPT_ENERGY

    folded = [
        f"{row['task']}: its adapter keeps {row['kept_energy']:.2%} of what was learned, less than"
        f" {KEPT_ENERGY:.1%}: raise --max-rank, or lower --pool-limit"
        for row in rows
        if row["kept_energy"] < KEPT_ENERGY - 1e-9
    ]
    repeated = [
        f"{row['task']}: {row['repeated']} of {row['held_out']} held-out texts are, but for case"
        " and spaces, also learned from: the upper bound is too good by what they count for; hold out"
        " others"
        for row in rows
        if row["repeated"]
    ]
    few = [
        f"{row['task']}: {row['false_reject_rate']:.0%} of its own inputs may be called unknown, as"
        f" {row['held_out']} held-out examples can show no less; hold out"
        f" {math.ceil(1 / FALSE_REJECT_RATE) - 1} or more"
        for row in rows
        if row["false_reject_rate"] > FALSE_REJECT_RATE
    ]
    return (
        folded
        + few
        + repeated
        + [
            f"{one['task']} coincides with {one['rival']}: {one['taken']} of {one['held_out']}"
            f" held-out inputs go there, by the lookup's model {one['share']:.0%} may; upper bounds are"
            f" now {one['upper_bound']:.1%} ({one['task']}) and {one['rival_upper_bound']:.1%} ({one['rival']})"
            for one in pairs
        ]
    )


def evaluate(
    workspace: WORKSPACE,
    test: Annotated[
        list[str], typer.Option(help="TASK=FILE: test examples of a task; repeat for each task.")
    ],
    unknown: Annotated[
        Path | None, typer.Option(help="CSV or JSONL with a column text: inputs of no task.")
    ] = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Measure accuracy, retrieval and task-known accuracy on test data, per sample, through the
    int8 runtime.

    With --unknown also how well inputs of no task are told apart: AUROC, false positives at 95 %
    detection, risk by coverage.
    """
    from cfedge.errors import UsageError
    from cfedge.runtime.engine import Engine
    from cfedge.train.data import load_file, load_inputs
    from cfedge.train.examples import check_labels
    from cfedge.train.metrics import evaluate as measure
    from cfedge.train.workspace import Workspace
    from cfedge_export.pack import build

    opened = Workspace(workspace)
    data = {}
    for pair in test:
        name, _, file = pair.partition("=")
        if not file:
            raise UsageError(f"--test: expected TASK=FILE, found {pair!r}")
        if name in data:
            raise UsageError(
                f"--test: expected one file of task {name!r}, found another: {file}; put them"
                " into one"
            )
        data[name] = load_file(Path(file))
        check_labels(data[name], opened.record(name).classes)
    engine = Engine(build(opened))
    scores = measure(engine, data, load_inputs(unknown) if unknown else ())
    if json:
        print_json(dataclasses.asdict(scores))
    else:
        _print_scores(scores)
    if plot is not None:
        from cfedge.plot.figure import save
        from cfedge.plot.scores import draw_scores

        save(draw_scores(scores), plot)


def _print_scores(scores: Scores) -> None:
    print_table(
        "per sample, int8 runtime",
        ("task", "examples", "accuracy", "retrieval", "task known"),
        [
            (
                one.task,
                one.examples,
                f"{one.accuracy:.3f}",
                f"{one.retrieval:.3f}",
                f"{one.known:.3f}",
            )
            for one in scores.tasks
        ],
    )
    print(
        f"accuracy {scores.accuracy:.3f} (task mean {scores.task_mean:.3f}), retrieval"
        f" {scores.retrieval:.3f} (in the best two {scores.top2:.3f}), task known"
        f" {scores.known:.3f}, second stages {scores.second_stages:.1%}, third"
        f" {scores.third_stages:.1%}, early exits {scores.early_exits:.1%}"
    )
    if scores.unknown:
        apart, curve = scores.unknown.detection, scores.unknown.risk_coverage
        print(
            f"inputs of no task: AUROC {apart.auroc:.3f}, false positives at 95 % detection"
            f" {apart.fpr95:.1%}, called unknown {apart.detected:.1%} (of known inputs"
            f" {apart.false_rejects:.1%}), mean risk over coverage {curve.area:.3f}"
        )


def certified_rows(workspace: Any) -> list[dict[str, Any]]:
    """One record a task: what it is and what its certificate says of all tasks together."""
    return certified(workspace)[0]


def certified(
    workspace: Any, new: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """`certified_rows`, and with which tasks those of `new` overlap:
    `cfedge.train.certificate.Overlap` as records.
    """
    from cfedge.train.certificate import certify, overlaps, route

    names = workspace.tasks
    if not names:
        return [], []
    held_out = {name: workspace.held_out(name) for name in names}
    router, answers = route(
        {name: workspace.signature(name) for name in names},
        {name: one.features for name, one in held_out.items()},
    )
    evidence = certify(
        answers, {name: one.top_scores for name, one in held_out.items()}, router.first.directions
    )
    rows = []
    for name in names:
        record, found = workspace.record(name), evidence[name]
        rows.append(
            {
                "task": name, "classes": len(record.classes), "labels": list(record.classes), "examples": record.examples,
                "repeated": record.repeated, "transfer": dict(record.transfer), "kept_energy": record.kept_energy,
                "method": record.settings.method, "threshold": found.threshold,
                "false_reject_rate": found.false_reject_rate,
                **dataclasses.asdict(found.certificate),
            }
        )  # fmt: skip
    return rows, [dataclasses.asdict(one) for one in overlaps(router, answers, evidence, new)]


def _reused(transfer: Mapping[str, float]) -> str:
    from cfedge.train.composition import NEW_UNITS

    shares = sorted(
        (
            (share, name)
            for name, share in transfer.items()
            if name != NEW_UNITS and abs(share) >= 0.005
        ),
        reverse=True,
    )
    return ", ".join(f"{name} {share:.0%}" for share, name in shares) or "nothing"
