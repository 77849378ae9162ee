"""Files of letters that hold one text each, in one folder a label, as newspapers' and 20 newsgroups'
articles come: which files they are, and how one is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath, PurePosixPath

from cfedge.counted import counted
from cfedge.doors.archives import is_hidden
from cfedge.doors.delimited import has_columns
from cfedge.doors.disguises import step_of
from cfedge.doors.encoding import decoded
from cfedge.doors.reading import LIMITS, Reading, unreadable
from cfedge.errors import DataError
from cfedge.first_bytes import FIRST_BYTES, known
from cfedge.inputs.files import inside
from cfedge.plain_files import read_plain
from cfedge.spelling import check_spelling

__all__ = ["Documents", "SUFFIXES", "are_documents", "is_note"]

#: Of such files: also those that are called by a number alone.
SUFFIXES = (".txt", "")
#: Files beside texts, in folders too.
_NOTES = ("citation", "dockerfile", "licence", "license", "makefile", "notice", "readme")
_ROWS = Reading(("text", "label"))
_LONG = 4 * LIMITS.cell_characters


def is_note(name: PurePath) -> bool:
    """Whether a file is one that people lay beside data, by its name: ``README``, ``LICENSE.txt``."""
    return name.suffix.lower() in SUFFIXES and name.stem.lower() in _NOTES


def are_documents(
    names: Iterable[PurePosixPath],
    first_bytes: Callable[[PurePosixPath], bytes],
    others: tuple[str, ...],
    tables: tuple[str, ...],
) -> bool:
    """Whether files, by their paths in a folder, are texts in folders of labels.

    Parameters
    ----------
    first_bytes
        Of one of them.
    others
        Suffixes of files that hold something else: where there is one of them, none is a text.
    tables
        Names without suffix that files of rows have: the first bytes of such a one are looked at.
    """
    texts = 0
    first = None
    for name in names:
        suffix = name.suffix.lower()
        if len(name.parts) < 2 or any(map(is_hidden, name.parts)):
            continue
        if suffix in others:
            return False
        if suffix in SUFFIXES and not is_note(name):
            texts += 1
            first = name if first is None or name.stem.lower() in tables else first
    if texts < 2 or first is None:
        return False
    line = first_bytes(first).decode("utf-8", "replace").partition("\n")[0]
    return "__label__" not in line and not has_columns(line, _ROWS)


class Documents:
    """Reads such files, as a `cfedge.inputs.reader.Reader` reads those of its kind.

    Parameters
    ----------
    encoding
        Of their letters; None: it is found out.
    """

    suffixes = SUFFIXES

    def __init__(self, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._noted = 0
        self._first = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the letters of those that were read."""
        if not self._noted:
            return ()
        more = counted(self._noted - 1, "other file")
        return (f"{self._first}{f' (as {more})' if self._noted > 1 else ''}",)

    def read(self, cell: object, folder: Path, where: str) -> str:
        """Return the text of a file of `folder`, by its path in it.

        Raises
        ------
        DataError
            See `cfedge.inputs.files.inside`; it is empty, too long, or of no plain encoding.
        """
        path = inside(cell, folder, "a text", where)
        try:
            data = read_plain(path, _LONG + 1)
        except OSError as error:
            raise unreadable(path, error) from error
        return self.check(data, f"{where}: {str(cell)!r:.120}")

    def check(self, value: object, where: str) -> str:
        """Return the text that the bytes of a file hold; errors as of `read`."""
        assert isinstance(value, bytes)
        found = known(value[:FIRST_BYTES])
        if found is not None and not value.lstrip().startswith(b"<"):  # pages are texts
            step = (
                found.step or step_of(found.what, labelled=True) or "save its text as a .txt file"
            )
            raise DataError(f"{where}: expected a text, found {found.what}; {step}")
        reading = Reading((), self._encoding)
        text = decoded(value, where, reading).strip() if len(value) <= _LONG else ""
        if len(value) > _LONG or len(text) > LIMITS.cell_characters:
            raise DataError(
                f"{where}: expected a text of at most {LIMITS.cell_characters:,} characters, found a"
                " longer one; cut it"
            )
        if not text:
            raise DataError(f"{where}: expected a text, found an empty file; remove it")
        if reading.notes:
            self._first = self._first or reading.notes[0]
            self._noted += 1
        return check_spelling(text, "text", where)
