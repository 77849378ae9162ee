"""Which column of a file is the input, the label, the task: the one of that name, or the one whose
name is that but for case and spaces, which is told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cfedge.doors.reading import Reading
from cfedge.errors import DataError
from cfedge.kinds import DEFAULT_KIND, KINDS, NEW_WORKSPACE

__all__ = ["Columns", "chosen", "quoted", "same"]


_AROUND = " \t'\"\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
#: What inputs and labels are called elsewhere: named as a suggestion, never taken unasked.
_INPUTS = ("sentence", "utterance", "query", "content", "message", "question", "input", "body",
           "review", "tweet", "comment", "phrase", "prompt", "document", "file", "path", "img",
           "utt", "filename", "file_name", "filepath", "image_path", "image_url")  # fmt: skip
_LABELS = ("intent", "category", "class", "tag", "sentiment", "target", "topic", "y",
           "choice", "output", "type", "fine_label", "class_name", "breed", "species",
           "completion", "scenario")  # fmt: skip
_GROUPS = ("person", "subject", "patient", "user", "speaker", "device", "video", "track", "session",
           "source", "author")  # fmt: skip


#: Characters of a name that are shown.
_LONG = 60


class Columns(NamedTuple):
    """The columns that are read: the input's, and the label's, the task's and the group's where they
    are asked for.
    """

    input: str = DEFAULT_KIND
    label: str | None = "label"
    task: str | None = None
    group: str | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of those that are asked for."""
        return tuple(name for name in self if name is not None)


def same(name: str) -> str:
    """Return a column's name without what nobody means: case, spaces, quotes around it, marks that
    show nothing.
    """
    seen = name
    if not name.isascii():  # none of ASCII's marks is of those that show nothing
        seen = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(seen.strip(_AROUND).casefold().split())


def quoted(names: Iterable[str], most: int = 12) -> str:
    """Return names in quotes, so that a space in one is seen."""
    shown = [repr(name if len(name) <= _LONG else f"{name[:_LONG]}...") for name in names]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more if shown else "none"


def chosen(header: Sequence[str], columns: Columns, where: str, reading: Reading) -> Columns:
    """Return the columns under the names that they have in `header`.

    Raises
    ------
    DataError
        One is missing, or there twice; what is there is named, and how to say which one is meant.
    """
    names = [name for name in header if isinstance(name, str)]
    found = {name: _found(names, name, where, reading) for name in columns.wanted}
    missing = [name for name in columns.wanted if found[name] is None]
    if missing == [columns.task]:
        raise DataError(
            f"{where}: expected a column {columns.task!r}, found {quoted(names)}; add it, or"
            " give add the name of the one task that it is, or compare --tasks N"
        )
    if missing == list(columns.wanted) == [columns.input]:
        raise DataError(
            f"{where}: expected a column {columns.input!r}, found {quoted(names)}; call the column of"
            f" the inputs {columns.input!r}"
        )
    if missing:
        raise DataError(
            f"{where}: expected the columns {' and '.join(map(repr, columns.wanted))}, found"
            f" {quoted(names)}; {_step(names, columns, missing, found, in_file=bool(where))}"
        )
    return Columns(*(None if name is None else found[name] for name in columns))  # type: ignore[arg-type]


def _found(names: Sequence[str], name: str, where: str, reading: Reading) -> str | None:
    alike = [name] * names.count(name) or [one for one in names if same(one) == same(name)]
    if len(alike) > 1:
        raise DataError(
            f"{where}: expected one column {name!r}, found {quoted(alike)}; remove or rename the"
            " others"
        )
    if alike and alike[0] != name:
        reading.note(f"column {alike[0]!r} was read as {name!r}")
    return alike[0] if alike else None


def _step(
    names: Sequence[str],
    columns: Columns,
    missing: Sequence[str],
    found: dict[str, str | None],
    *,
    in_file: bool,
) -> str:
    if not names:
        return f"add {' and '.join(missing)}"
    if len(names) == 1 and all(same(name) in same(names[0]) for name in missing):
        if any(sign in names[0] for sign in ",;\t|"):
            return "each line stands in quotes, as one cell: save it without these quotes"
        return "it is separated by something else: save it with commas"
    other = next((one for one in map(same, names) if one in KINDS and one != columns.input), None)
    if columns.input in missing and columns.input in KINDS and other is not None:
        return (
            f"these are data of the kind {other}, for a workspace of that kind"
            f" ({NEW_WORKSPACE[other]}); or name a column with --input-column"
        )
    options = {
        columns.input: ("--input-column", _INPUTS),
        columns.label: ("--label-column", _LABELS),
        columns.group: ("--group-column", _GROUPS),
    }
    rest = [name for name in names if name and name not in found.values()]
    if not rest:
        return f"there is no {' and no '.join(missing)} column; add it"
    steps, likely = list[str](), list[str]()
    for name in (name for name in missing if name in options):
        option, known = options[name]
        alike = [one for one in rest if same(one) in (*known, f"{same(name)}s")]
        likely += alike[:1]
        meant = alike[0] if alike else rest[0] if len(rest) == len(missing) == 1 else "NAME"
        steps.append(f"{option} '{meant}'" if " " in meant else f"{option} {meant}")
    if not steps:
        return f"add {' and '.join(missing)}"
    if missing == [columns.label] and len(rest) == 1 and not likely:
        return f"there is no {missing[0]} column; add it, or say which is meant with {steps[0]}"
    guessed = len(missing) < 2 or not all(step.endswith("NAME") for step in steps)
    header = "" if guessed or not in_file else ", or add a first line that names the columns"
    return f"say which is meant with {' and '.join(steps)}{header}"
