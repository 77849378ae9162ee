"""predict, drift: the commands of the machine that answers. They need no extra but that of the
inputs' kind.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.lines import argument_items, line_items
from cfedge.cli.quantities import size_bytes
from cfedge.cli.show import print_json, print_table, say
from cfedge.cli.streams import standard_input
from cfedge.errors import InputError, UsageError

if TYPE_CHECKING:
    from cfedge.kept.keeper import Keeper
    from cfedge.runtime.engine import Engine

BUNDLE = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", help="Folder that cfedge export wrote, or a store of cfedge sync."
    ),
]
ADAPTER_MEMORY = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help=(
            "Memory for adapters, such as 16MB; others are read from the disk when"
            " needed. No limit unless given."
        ),
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


INPUTS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT]...",
        help="Texts, or files and folders of pictures. Without any: lines of standard input.",
    ),
]
TASK = Annotated[str | None, typer.Option(help="The task of all inputs, where it is known.")]
THREADS = Annotated[int, typer.Option(help="Threads of ONNX Runtime.")]
PROFILE = Annotated[str | None, typer.Option(help="Board of devices/ that sets the threads.")]
MONITOR = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            "File in which unknown inputs and thin margins are counted; a warning"
            " says when inputs change."
        ),
    ),
]
SESSION = Annotated[
    bool,
    typer.Option(
        "--session",
        help=("Keep evidence from input to input: they are one stream whose task seldom changes."),
    ),
]
SWITCH = Annotated[
    float | None,
    typer.Option(
        help=(
            "Probability that the task changes before an input, with --session; 0.05 unless given."
        )
    ),
]
LABEL_SWITCH = Annotated[
    float | None,
    typer.Option(
        help=(
            "Probability that the label changes before an input, with --session: of a camera's"
            " frames, such as 0.05. Unless given each input has a label of its own."
        )
    ),
]
KEEP = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=(
            "Folder in which inputs that were not known are kept, encrypted, for cfedge console."
            " Nothing is kept unless given."
        ),
    ),
]
KEEP_SIZE = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="Size of what --keep holds, at most, such as 64MB (the default)."
    ),
]
FALSE_REJECT = Annotated[
    list[str] | None,
    typer.Option(
        "--false-reject",
        metavar="RATE",
        help=(
            "Share of a task's own inputs that may be called unknown, .005 to .3, or TASK=RATE,"
            " several times; that of export unless given."
        ),
    ),
]
TEXT = Annotated[
    bool,
    typer.Option("--text", help="Lines are inputs as they stand, also those that begin with {."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("predict", epilog='Example: cfedge predict bundle "it is too dark in here"')(
        predict
    )
    app.command("drift", epilog="Example: cfedge drift bundle counts.json")(drift)


def predict(
    bundle: BUNDLE,
    inputs: INPUTS = None,
    task: TASK = None,
    threads: THREADS = 1,
    profile: PROFILE = None,
    monitor: MONITOR = None,
    adapter_memory: ADAPTER_MEMORY = None,
    session: SESSION = False,
    switch: SWITCH = None,
    label_switch: LABEL_SWITCH = None,
    keep: KEEP = None,
    keep_size: KEEP_SIZE = None,
    text: TEXT = False,
    false_reject: FALSE_REJECT = None,
    json: JSON = False,
) -> None:
    """Answer inputs: task and label, or unknown.

    Each line of standard input is an input: a text, the path of a picture, or a JSON object such
    as {"text": "..."} or {"image": {"path": "..."}}. Answers come in the same order, one a line. A
    line that cannot be answered gets an error in its place, and the exit code is then 10.

    With --json each line carries the task's certified upper bound and the bundle's digest: keep
    them as the record of what was answered.

    --session assumes that all inputs are of one task, or change it seldom: an input that could be
    of two tasks then goes to the one that the inputs before it were of. Where tasks come mixed that
    is wrong more often than without it. Its answers carry the task's probability in the stream as
    posterior, and no upper bound: certificates are about single inputs.
    """
    one_blas_thread()
    from cfedge.device import load_profile
    from cfedge.runtime.answers import Answers
    from cfedge.runtime.false_reject import parsed

    answers = Answers.open(
        bundle, threads=load_profile(profile).threads.value if profile else threads,
        adapter_bytes=adapter_limit(adapter_memory), task=task, session=session, switch=switch,
        label_switch=label_switch, monitor=monitor,
        false_reject=parsed(false_reject),
    )  # fmt: skip
    keeper = opened_keeper(keep, keep_size, answers.engine)
    answers.seen = keeper.see if keeper else None
    refused = 0
    _tell_of_files(inputs or (), answers.modality.noun, bundle)
    for item in argument_items(inputs) if inputs else line_items(_asked(), plain=text):
        try:
            for value in item.inputs(answers.modality):
                answer, alarms = answers(value)
                _show(answers.modality.name(value), answer, json=json)
                for alarm in alarms:
                    say(f"cfedge: {alarm}", error=True)
        except InputError as error:
            if inputs:
                raise
            refused += 1
            _show_refusal(str(error).replace("input 0", item.where, 1), item.number, json=json)
    answers.save()
    if keeper:
        keeper.inputs.close()
    if refused:
        raise InputError(
            f"standard input: expected every line to be answerable, found {refused} that were not;"
            " they were named above"
        )


def _asked() -> BinaryIO:
    """Return standard input; where somebody sits before it, say what it waits for."""
    stream = standard_input()
    if stream.isatty():
        say("reading lines from standard input; end with Ctrl-D", error=True)
    return stream


def _tell_of_files(words: Sequence[str], noun: str, bundle: Path) -> None:
    """Tell of a word that is a file's name where words are inputs themselves."""
    if noun != "text":
        return
    from cfedge.inputs import KINDS, reader

    for word in (word for word in words if os.path.isfile(word)):  # noqa: PTH113
        suffix = os.path.splitext(word)[1].lower()  # noqa: PTH122
        other = next((kind for kind in KINDS if suffix in reader(kind).suffixes), None)
        step = (
            f"To answer its lines: cfedge predict {bundle} < {word}"
            if other is None
            else f"This bundle answers texts: ask one of the kind {other}"
        )
        say(
            f"note: {word!r} is the name of a file; the name itself was answered. {step}",
            error=True,
        )


def _show_refusal(message: str, line: int, *, json: bool) -> None:
    if json:
        print_json({"error": message, "line": line})
    else:
        say(f"cfedge: {message}", error=True)


def drift(
    bundle: BUNDLE,
    counts: Annotated[
        Path, typer.Argument(metavar="FILE", help="File that cfedge predict --monitor wrote.")
    ],
    json: JSON = False,
) -> None:
    """Show whether inputs have changed.

    What a monitor counted stands beside what the certificates promise.
    """
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


def opened_keeper(keep: Path | None, keep_size: str | None, engine: Engine) -> Keeper | None:
    """Return what keeps inputs in the folder of ``--keep``; None where it was not given."""
    if keep is None:
        if keep_size is not None:
            raise UsageError("--keep-size: expected --keep beside it, found none; add it")
        return None
    from cfedge.kept.keeper import Keeper

    size_of = None if keep_size is None else size_bytes(keep_size, "--keep-size")
    return Keeper.open(keep, engine, lambda line: say(f"cfedge: {line}", error=True), size_of)


def adapter_limit(adapter_memory: str | None) -> int | None:
    """Return the bytes that ``--adapter-memory`` states."""
    return None if adapter_memory is None else size_bytes(adapter_memory, "--adapter-memory")


def _show(name: str, answer: dict[str, object], *, json: bool) -> None:
    if json:
        print_json(answer)
        return
    where = f"{answer['task']}/{answer['label']}"
    rival = (
        f"margin {answer['margin']:.1f} over {answer['runner_up']}"
        if answer["runner_up"]
        else "the only task"
    )
    # The probability is among the labels of a task that an unknown input is not of.
    verdict = (
        f"unknown: {answer['reason']}; closest is {where}"
        if answer["unknown"]
        else f"{where} ({answer['probability']:.0%})"
    )
    stream = f", {answer['posterior']:.0%} by the stream" if "posterior" in answer else ""
    say(f"{name}: {verdict}; {rival}{stream}, {answer['ms']:.1f} ms")
