"""predict: the command of the machine that answers. It needs no extra but that of the inputs'
kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.answering import (
    ADAPTER_MEMORY,
    BUNDLE,
    FALSE_REJECT,
    JSON,
    KEEP,
    KEEP_SIZE,
    adapter_limit,
    board_threads,
    keeping,
)
from cfedge.cli.answering_tables import DATA, OUT, AskedTable, answer_table
from cfedge.cli.answering_words import answer_words, are_words
from cfedge.cli.blas import one_blas_thread
from cfedge.cli.data import ENCODING, INPUT, INPUT_COLUMN, tell
from cfedge.counted import counted
from cfedge.errors import InputError
from cfedge.kinds import DEFAULT_KIND

if TYPE_CHECKING:
    from cfedge.runtime.answers import Answers

INPUTS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT]...",
        help=(
            "Words as they stand, or files and folders of pictures. Without any, or with -, the"
            " lines of standard input."
        ),
    ),
]
TASK = Annotated[str | None, typer.Option(help="The task of all inputs, where it is known.")]
THREADS = Annotated[int, typer.Option(help="Threads of ONNX Runtime.")]
PROFILE = Annotated[
    str | None, typer.Option(help="Board (see cfedge devices) that sets the threads.")
]
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
        help=(
            "Treat the inputs as one stream whose task seldom changes, and keep evidence from"
            " one to the next."
        ),
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
            "Probability that the label changes before an input, with --session, such as 0.05"
            " for a camera's frames. Otherwise each input has a label of its own."
        )
    ),
]
PLAIN = Annotated[
    bool,
    typer.Option(
        "--plain",
        f"--{DEFAULT_KIND}",
        help="Take each line as the input itself, even where it begins with {.",
    ),
]
TOP = Annotated[
    int | None,
    typer.Option(
        "--top", metavar="N", min=1, help="Name the N likeliest answers, the ordinary one first."
    ),
]
COVERAGE = Annotated[
    float | None,
    typer.Option(
        "--coverage",
        metavar="SHARE",
        help=(
            "Name a set of answers that holds the right one for this share of the inputs of any"
            " task, .5 to .99."
        ),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("predict", epilog='Example: cfedge predict bundle "can I have some light here"')(
        predict
    )


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
    plain: PLAIN = False,
    false_reject: FALSE_REJECT = None,
    top: TOP = None,
    coverage: COVERAGE = None,
    data: DATA = None,
    input_column: INPUT_COLUMN = INPUT,
    encoding: ENCODING = None,
    out: OUT = None,
    json: JSON = False,
) -> None:
    """Answer inputs: task and label, or unknown.

    The percentage is the probability that task and label are right, if the input belongs to one of
    the tasks. Below 50 % the answer begins with "not sure".

    Each line of standard input is an input: words, the path of a picture or of an array, or a JSON
    object such as {"image": {"path": "..."}}. Answers come in the same order, one on each line. A
    line that cannot be answered gets an error in its place, and the exit code is then 10.

    With --json each line carries the bundle's digest and the task's certificate: at most the share
    wrong_task_at_most of its inputs go to another task, and at most the share wrong_answer_at_most
    get a wrong task or label. An unknown input counts by the task and label that its answer names.
    Keep the lines as the record of what was answered.

    --data answers the rows of a table. The output has its columns, and beside them predicted_task,
    predicted_label, probability, unknown and error. --input-column names the column of the inputs.

    --session assumes that the task seldom changes from one input to the next. An input that could
    belong to two tasks then gets the task of the inputs before it. Where tasks come mixed, answers
    are wrong more often than without it. Each answer carries the task's probability in the stream
    as posterior. Both limits are null, because certificates are about single inputs.
    """
    table = AskedTable(data, input_column, encoding, out)
    table.check(inputs, plain=plain, several=bool(top or coverage), json=json)
    one_blas_thread()
    from cfedge.runtime.answers import Answers
    from cfedge.runtime.false_reject import parsed

    answers = Answers.open(
        bundle, threads=board_threads(profile, threads),
        adapter_bytes=adapter_limit(adapter_memory), task=task, session=session, switch=switch,
        label_switch=label_switch, monitor=monitor,
        false_reject=parsed(false_reject), top=top, coverage=coverage,
    )  # fmt: skip
    _tell_of_counts(answers, monitor)
    with keeping(keep, keep_size, answers.engine) as answers.seen:
        _answer(answers, table, inputs or [], bundle, plain=plain, json=json)


def _tell_of_counts(answers: Answers, monitor: Path | None) -> None:
    """Tell that a monitor's file held the counts of another bundle."""
    if answers.counts_anew:
        tell([f"{monitor} held counts of another bundle; they are begun anew"])


def _answer(
    answers: Answers, table: AskedTable, words: list[str], bundle: Path, *, plain: bool, json: bool
) -> None:
    """Answer a table where one is asked for, else words; refuse at the end if one was refused."""
    data = table.data
    if data is None:
        where, each = ("inputs", "one") if are_words(words) else ("standard input", "line")
        refused = answer_words(answers, words, bundle, plain=plain, json=json)
    else:
        where, each = str(data), "row"
        refused = answer_table(answers, data, table, json=json)
    answers.save()
    if refused:
        raise InputError(
            f"{where}: expected every {each} to be answerable,"
            f" found {counted(refused, 'that was not; it was', 'that were not; they were')} named above"
        )
