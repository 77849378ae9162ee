"""Words of the command line, or lines of standard input: answered one by one, and those that cannot
be are named.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cfedge.cli.lines import Item, argument_items, line_items, tell_of_columns, tell_of_files
from cfedge.cli.show import say
from cfedge.cli.shown_answer import show_answer, show_refusal
from cfedge.cli.streams import standard_input
from cfedge.errors import InputError, UsageError

if TYPE_CHECKING:
    from cfedge.inputs.modality import Input
    from cfedge.runtime.answers import Answers

__all__ = ["answer_words", "are_words"]


def answer_words(
    answers: Answers, inputs: list[str], bundle: Path, *, plain: bool, json: bool
) -> int:
    """Answer words, or the lines of standard input, and count what could not be."""
    tell_of_files(inputs, answers.modality.noun, bundle)
    if are_words(inputs) and "-" in inputs:
        raise UsageError(
            "-: expected it alone, for lines of standard input, found other inputs beside it; leave"
            " it or them out"
        )
    if are_words(inputs):
        return _answer_all(answers, argument_items(inputs), alone=len(inputs) == 1, json=json)
    items = line_items(_asked(), plain=plain)
    return _answer_all(answers, items, alone=False, lines=True, json=json)


def are_words(inputs: list[str]) -> bool:
    """Whether inputs are words of the command line; else they are lines of standard input."""
    return inputs not in ([], ["-"])


def _answer_all(
    answers: Answers, items: Iterable[Item], *, alone: bool, lines: bool = False, json: bool
) -> int:
    """Answer one after the other, and count what could not be; raise what was said of the only input
    of an item that is `alone`.
    """
    refused = 0
    for item in items:
        try:
            values = item.inputs(answers.modality)
        except InputError as error:
            if alone:
                raise
            refused += 1
            show_refusal(str(error), item.number, lines=lines, json=json)
            continue
        for value in values:
            try:
                _answer_one(answers, item, value, lines=lines, json=json)
            except InputError as error:
                said = str(error).replace("input 0", item.where, 1)
                if alone and len(values) == 1:
                    raise InputError(said) from error
                refused += 1
                show_refusal(said, item.number, lines=lines, json=json)
    return refused


def _answer_one(answers: Answers, item: Item, value: Input, *, lines: bool, json: bool) -> None:
    answer, alarms = answers(value)
    show_answer(answers.modality.name(value), answer, json=json)
    if lines and item.number == 1 and isinstance(value, str):
        tell_of_columns(value, answers.modality.noun)
    for alarm in alarms:
        say(f"cfedge: {alarm}", error=True)


def _asked() -> BinaryIO:
    """Return standard input; where somebody sits before it, say what it waits for."""
    stream = standard_input()
    if stream.isatty():
        say("reading lines from standard input; end with Ctrl-D", error=True)
    return stream
