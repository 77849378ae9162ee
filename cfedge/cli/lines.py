"""What ``predict`` is asked: words of the command line, or lines of standard input -> items to answer."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cfedge.cli.show import say
from cfedge.cli.streams import lines
from cfedge.errors import InputError, UsageError
from cfedge.kinds import KINDS
from cfedge.values import json_fault

if TYPE_CHECKING:
    from cfedge.inputs.modality import Input, Modality

__all__ = ["Item", "argument_items", "line_items", "tell_of_columns", "tell_of_files"]


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


def _names_columns(line: str, noun: str) -> bool:
    """Whether a line is the header of a table with a column that is called `noun`, and others."""
    if noun not in line.casefold():
        return False
    from cfedge.doors.columns import same

    cells = re.split(r"[,;\t|]", line)
    return len(cells) > 1 and noun in map(same, cells)


def _file_step(path: str, bundle: Path, noun: str) -> str:
    """Say how the inputs in a file are answered, whose name was given as one."""
    from cfedge.first_bytes import FIRST_BYTES, known
    from cfedge.plain_files import read_plain

    try:
        start = read_plain(Path(path), FIRST_BYTES)
    except OSError:
        start = b""
    first = start.decode("utf-8", "replace").partition("\n")[0]
    found = known(start)
    if found is not None or _names_columns(first, noun):
        what = "a table" if found is None else found.what
        return f"It is {what}. To answer one of its columns: cfedge predict {bundle} --data {path}"
    return f"To answer its lines: cfedge predict {bundle} < {path}"


def tell_of_columns(line: str, noun: str) -> None:
    """Tell of a first line that names columns, as a table has it."""
    if _names_columns(line, noun):
        say(
            "note: line 1 names columns, as a table does; each line is answered as it stands, with all"
            " of its columns. To answer one column, give the table with --data",
            error=True,
        )


def tell_of_files(words: Sequence[str], kind: str, bundle: Path) -> None:
    """Tell of a word that is a file's name where words are inputs themselves."""
    from cfedge.inputs import reader

    if reader(kind).suffixes:
        return
    for word in (word for word in words if os.path.isfile(word)):  # noqa: PTH113
        suffix = os.path.splitext(word)[1].lower()  # noqa: PTH122
        other = next((kind for kind in KINDS if suffix in reader(kind).suffixes), None)
        step = (
            _file_step(word, bundle, kind)
            if other is None
            else f"This bundle answers inputs of the kind {kind}: ask one of the kind {other}"
        )
        say(
            f"note: {word!r} is the name of a file; the name itself was answered. {step}",
            error=True,
        )


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
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{where}: expected a JSON object, found {json_fault(error)}; where a line begins with {{ and is"
            " none, use --plain"
        ) from error
    noun = modality.noun
    if noun not in row:
        raise InputError(f'{where}: expected {{"{noun}": ...}}, found no {noun}; call it so')
    try:
        return [modality.parse(row[noun], where, local=True)]
    except UsageError as error:
        raise InputError(str(error)) from error
