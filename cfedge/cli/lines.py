"""What ``predict`` is asked: words of the command line, or lines of standard input -> items to answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cfedge.cli.streams import lines
from cfedge.errors import InputError, UsageError

if TYPE_CHECKING:
    from cfedge.inputs.modality import Input, Modality

__all__ = ["Item", "argument_items", "file_step", "line_items", "names_columns"]


class Item(NamedTuple):
    """One word or line: its number, from 1; how errors call it; and its inputs, read when asked for
    by the bundle's kind.
    """

    number: int
    where: str
    inputs: Callable[[Modality], list[Input]]


def argument_items(words: Iterable[str]) -> Iterator[Item]:
    """Return an item for each word of the command line."""
    for number, word in enumerate(words, start=1):
        where = f"input {number}"
        yield Item(number, where, partial(_words, word=word, where=where))


def line_items(stream: BinaryIO, *, plain: bool = False) -> Iterator[Item]:
    """Return an item for each line of a stream, as they come.

    Parameters
    ----------
    plain
        No line is JSON, also where it begins with a brace.
    """
    for number, line in enumerate(lines(stream), start=1):
        where = f"line {number}"
        content = line.rstrip(b"\r\n")
        if number == 1:
            _check_letters(content)
        yield Item(number, where, partial(_inputs, line=content, where=where, plain=plain))


def names_columns(line: str, noun: str) -> bool:
    """Whether a line is the header of a table with a column that is called `noun`, and others."""
    if noun not in line.casefold():
        return False
    from cfedge.doors.columns import same

    cells = re.split(r"[,;\t|]", line)
    return len(cells) > 1 and noun in map(same, cells)


def file_step(path: str, bundle: Path, noun: str) -> str:
    """Say how the inputs in a file are answered, whose name was given as one."""
    from cfedge.first_bytes import FIRST_BYTES, known
    from cfedge.plain_files import read_plain

    try:
        start = read_plain(Path(path), FIRST_BYTES)
    except OSError:
        start = b""
    first = start.decode("utf-8", "replace").partition("\n")[0]
    found = known(start)
    if found is not None or names_columns(first, noun):
        what = "a table" if found is None else found.what
        return f"It is {what}: write its {noun}s alone, one a line, and give them as standard input"
    return f"To answer its lines: cfedge predict {bundle} < {path}"


def _words(modality: Modality, word: str, where: str) -> list[Input]:
    return modality.words(word, where)


def _check_letters(start: bytes) -> None:
    """Refuse a file of no letters by its first line: each of its lines would be refused for itself."""
    try:
        if b"\0" not in start and start.decode("utf-8"):
            return
    except UnicodeDecodeError:
        pass
    from cfedge.first_bytes import FIRST_BYTES, known

    found = known(start[:FIRST_BYTES])
    if found is not None:
        raise UsageError(
            f"standard input: expected lines, found {found.what}; give the file's name instead, or"
            " lines that name files or hold inputs"
        )


def _inputs(modality: Modality, line: bytes, where: str, *, plain: bool) -> list[Input]:
    try:
        content = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: expected UTF-8, found byte 0x{line[error.start]:02x} at {error.start};"
            " save it as UTF-8"
        ) from error
    if "\0" in content:
        raise InputError(
            f"{where}: expected letters in UTF-8, found NUL characters, as UTF-16 without a mark or a"
            " file of no letters has; save it as UTF-8"
        )
    if plain or not content.lstrip().startswith("{"):
        return modality.words(content, where)
    try:
        row = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f"{where}: expected a JSON object, found {error}; where a line begins with {{ and is"
            " none, use --plain"
        ) from error
    noun = modality.noun
    if noun not in row:
        raise InputError(f'{where}: expected {{"{noun}": ...}}, found no {noun}; call it so')
    try:
        return [modality.parse(row[noun], where, local=True)]
    except UsageError as error:
        raise InputError(str(error)) from error
