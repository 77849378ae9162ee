"""spaCy's binary documents (``DocBin``), read by spaCy itself: the text, and the category of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfedge.doors.reading import Reading, Record, Sheet, needed
from cfedge.doors.text import prodigy
from cfedge.errors import DataError

__all__ = ["sheet"]


def sheet(path: Path, reading: Reading) -> Sheet:
    """Open a file.

    Raises
    ------
    DataError
        spaCy cannot read it.
    MissingExtraError
        spaCy is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that spaCy brings
        spacy = needed("spacy", path)
        tokens = needed("spacy.tokens", path)
    try:
        found = tokens.DocBin().from_disk(path)
    except Exception as error:  # zlib's, msgpack's, KeyError: spaCy checks nothing itself
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"{path}: expected documents of spaCy, found: {reason}; write them again"
        ) from error
    return Sheet(("text", "label"), _rows(found, spacy.blank("xx").vocab), "document")


def _rows(found: Any, vocabulary: Any) -> Iterator[Record]:
    for number, document in enumerate(found.get_docs(vocabulary), start=1):
        row = {"text": document.text, "cats": dict(document.cats)}
        cells = prodigy.cells(row, ("text", "label"))
        assert cells is not None  # nothing is rejected here
        yield Record(number, cells)
