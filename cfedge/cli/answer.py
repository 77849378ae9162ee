"""predict, drift, bench: the commands of the machine that answers. They need no extra but ``text``."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.quantities import size_bytes
from cfedge.cli.show import print_json, print_table, say, size
from cfedge.errors import InputError, UsageError

if TYPE_CHECKING:
    from cfedge.runtime.prediction import Prediction

BUNDLE = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", help="A folder written by cfedge export, or a store of cfedge sync."
    ),
]
ADAPTER_MEMORY = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help=(
            "Of adapters kept in memory, such as 16MB; others are read from the disk again when"
            " needed. Without it: no limit."
        ),
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

#: Lines after which the monitor's counts are written.
_SAVED = 100


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("predict", epilog='Example: cfedge predict bundle "it is too dark in here"')(
        predict
    )
    app.command("drift", epilog="Example: cfedge drift bundle counts.json")(drift)
    app.command("bench", epilog="Example: cfedge bench bundle --json")(bench)


def predict(
    bundle: BUNDLE,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Without texts: one a line from standard input."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="The task, where it is known.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of ONNX Runtime.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="A board of devices/; sets the threads.")
    ] = None,
    monitor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Count unknown inputs and thin margins there; warn where inputs change.",
        ),
    ] = None,
    adapter_memory: ADAPTER_MEMORY = None,
    session: Annotated[
        bool,
        typer.Option(
            "--session",
            help=(
                "The texts are one stream whose task seldom changes: keep evidence from text to"
                " text."
            ),
        ),
    ] = False,
    switch: Annotated[
        float | None,
        typer.Option(
            help="With --session: probability that the task changes before a text. Without it 0.05."
        ),
    ] = None,
    json: JSON = False,
) -> None:
    """Answer texts: task, label, evidence, or unknown.

    From standard input each line is a text or a JSON object {"text": ...}; answers come in the same
    order, one a line, as they are made. A line that cannot be answered gets an error in its place,
    and the exit code is then 10. With --json each line carries the task's certified upper bound and the
    bundle's digest: keep them as the record of what was answered.

    --session assumes that all texts are of one task, or change it seldom: a text that could be of
    two tasks then goes to the one that the texts before it were of. Where tasks come mixed that is
    wrong more often than without it. Its answers carry the task's probability in the stream as
    posterior, and no upper bound: certificates are about single texts.
    """
    one_blas_thread()
    from cfedge.device import load_profile
    from cfedge.runtime.drift import Monitor
    from cfedge.runtime.engine import Engine
    from cfedge.runtime.stream import SWITCH, Session

    if session and (task is not None or monitor is not None):
        other, why = (
            ("--task", "the stream finds it")
            if task is not None
            else ("--monitor", "certificates are about single texts")
        )
        raise UsageError(
            f"--session: expected no {other} beside it, found one; {why}: leave one of them out"
        )
    if task is not None and monitor is not None:
        raise UsageError(
            "--monitor: expected no --task beside it, found one; certificates are about inputs"
            " whose task is looked up"
        )
    if switch is not None and not session:
        raise UsageError("--switch: expected --session beside it, found none; add it")
    threads = load_profile(profile).threads.value if profile else threads
    engine = Engine.open(bundle, threads=threads, adapter_bytes=_limit(adapter_memory))
    stream = Session(engine, switch=SWITCH if switch is None else switch) if session else None
    counts = Monitor.load(monitor, engine.manifest) if monitor else None

    def answered(texts: list[str]) -> Iterator[Prediction]:
        return map(stream.predict, texts) if stream else iter(engine.predict(texts, task=task))

    def shown(text: str, one: Prediction) -> None:
        evidence = engine.evidence(one)
        if stream:
            evidence |= {
                "upper_bound": None,
                "posterior": stream.posterior[one.task],
                "switch": stream.switch,
            }
        _show(text, evidence, json=json)
        for alarm in counts.see([one]) if counts else ():
            say(f"cfedge: {alarm.text}", error=True)

    def save() -> None:
        if counts and monitor:
            counts.save(monitor)

    if texts:
        for text, one in zip(texts, answered(texts), strict=True):
            shown(text, one)
        save()
        return
    refused = 0
    for number, line in enumerate(_lines(sys.stdin.buffer), start=1):
        try:
            text = _text(line, number)
            answer = next(answered([text]))
        except InputError as error:
            refused += 1
            message = str(error).replace("input 0", f"line {number}", 1)
            if json:
                print_json({"error": message, "line": number})
            else:
                say(f"cfedge: {message}", error=True)
            continue
        shown(text, answer)
        if number % _SAVED == 0:
            save()
    save()
    if refused:
        raise InputError(
            f"standard input: expected every line to be answerable, found {refused} that were not;"
            " they were named above"
        )


def drift(
    bundle: BUNDLE,
    counts: Annotated[
        Path, typer.Argument(metavar="FILE", help="Written by cfedge predict --monitor.")
    ],
    json: JSON = False,
) -> None:
    """Show what a monitor counted, against what the certificates promised."""
    from cfedge.runtime.drift import ALPHA, Monitor
    from cfedge.store import bundle_at

    if not counts.is_file():
        raise UsageError(
            f"{counts}: expected counts, found none; make them with: cfedge predict {bundle}"
            f" --monitor {counts}"
        )
    found = Monitor.load(counts, bundle_at(bundle).manifest).counters()
    if json:
        print_json(
            {
                "alpha": ALPHA,
                "counters": {name: dataclasses.asdict(one) for name, one in found.items()},
            }
        )
        return
    print_table(
        f"{counts}: unknown inputs by task, and thin margins; a false alarm ever: at most {ALPHA:.0%}",
        ("counter", "inputs", "hits", "share", "at most", "alarm"),
        [
            (name, one.inputs, one.hits, f"{one.hits / one.inputs:.1%}" if one.inputs else None, f"{one.bound:.1%}",
             f"at input {one.alarmed}" if one.alarmed else None)
            for name, one in found.items()
        ],
    )  # fmt: skip


def bench(
    bundle: BUNDLE,
    runs: Annotated[int, typer.Option(min=10, help="Timed single-text calls.")] = 200,
    threads: Annotated[int, typer.Option(help="Threads of ONNX Runtime.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="A board of devices/; sets the threads.")
    ] = None,
    adapter_memory: ADAPTER_MEMORY = None,
    json: JSON = False,
) -> None:
    """Time the engine on this machine: cold start, latency, memory, sizes."""
    one_blas_thread()
    from cfedge.bench import measure
    from cfedge.device import load_profile

    threads = load_profile(profile).threads.value if profile else threads
    found = measure(bundle, runs=runs, threads=threads, adapter_bytes=_limit(adapter_memory))
    if json:
        print_json(dataclasses.asdict(found))
        return
    latency, cold, adapters = found.latency_ms, found.cold_start_ms, found.adapters
    print_table(
        f"{bundle}: {found.tasks} tasks, {found.threads} thread, {found.machine.cpu}",
        ("what", "value", "n"),
        [
            (
                "one text, p50 / p90 / p99",
                f"{latency.p50:.2f} / {latency.p90:.2f} / {latency.p99:.2f} ms",
                latency.n,
            ),
            (
                "process start to first answer, p50 / p90 / p99",
                f"{cold.p50:.0f} / {cold.p90:.0f} / {cold.p99:.0f} ms",
                cold.n,
            ),
            ("peak memory", size(found.peak_rss_bytes), 1),
            (f"adapters in memory, {size(adapters.kept_bytes)}", adapters.kept, 1),
            (
                "uses that found theirs there",
                f"{adapters.hits / (adapters.hits + adapters.misses):.1%}",
                adapters.hits + adapters.misses,
            ),
            ("backbone", size(found.backbone_bytes), 1),
            *((f"task {name}", size(value), 1) for name, value in found.task_bytes.items()),
        ],
    )


def _limit(adapter_memory: str | None) -> int | None:
    return None if adapter_memory is None else size_bytes(adapter_memory, "--adapter-memory")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline():
        yield line.rstrip(b"\r\n")


def _text(line: bytes, number: int) -> str:
    try:
        content = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"line {number}: expected UTF-8, found byte 0x{line[error.start]:02x} at {error.start};"
            " save it as UTF-8"
        ) from error
    if not content.lstrip().startswith("{"):
        return content
    try:
        row = jsonlib.loads(content)
    except (jsonlib.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f"line {number}: expected a JSON object, found {error}; a text may not begin with {{"
        ) from error
    if not isinstance(row.get("text"), str):
        raise InputError(
            f'line {number}: expected {{"text": ...}}, found'
            f" {'no text' if 'text' not in row else type(row['text']).__name__}"
        )
    return str(row["text"])


def _show(text: str, answer: dict[str, object], *, json: bool) -> None:
    if json:
        print_json(answer)
        return
    where = f"{answer['task']}/{answer['label']} ({answer['probability']:.0%})"
    rival = (
        f"margin {answer['margin']:.1f} over {answer['runner_up']}"
        if answer["runner_up"]
        else "the only task"
    )
    verdict = f"unknown: {answer['reason']}; nearest is {where}" if answer["unknown"] else where
    stream = f", {answer['posterior']:.0%} by the stream" if "posterior" in answer else ""
    say(
        f"{text!r}: {verdict}; {rival}, distance {answer['distance']:.1f}{stream},"
        f" {answer['ms']:.1f} ms"
    )
