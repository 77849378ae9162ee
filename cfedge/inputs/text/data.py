"""Texts in training data: a cell holds the text itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import DataError
from cfedge.inputs.text.doubtful import doubts
from cfedge.spelling import check_spelling, folded
from cfedge.values import is_missing, value_words

__all__ = ["TextReader", "reader"]


class TextReader:
    """Reads texts: a `cfedge.inputs.reader.Reader`."""

    suffixes: tuple[str, ...] = ()
    stacks = False
    model_types: tuple[str, ...] = ()
    beside: tuple[str, ...] = (
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
    )

    def read(self, cell: object, folder: Path, where: str) -> str:
        """Return a cell's text.

        Raises
        ------
        DataError
            It is empty, no text, or holds what no file can carry.
        """
        return check_spelling(cell, "text", where)

    def check(self, value: object, where: str) -> str:
        """Return a text that is in memory; errors as of `read`."""
        if not isinstance(value, str):
            raise DataError(f"{where}: expected a text, found {_kind(value)}; {_step(value)}")
        return check_spelling(value, "text", where)

    def key(self, value: str) -> str:
        """Return the text without what nobody means."""
        return folded(value)

    def exact(self, value: str) -> str:
        """Return the text as it stands: some encoders read its case."""
        return value

    def doubts(self, values: Sequence[str]) -> list[tuple[list[int], str]]:
        """See `cfedge.inputs.text.doubtful`."""
        return list(doubts(values))

    def near(self, values: Sequence[str], others: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """See `Reader`: texts that differ in nothing but digits, signs, case and spaces."""
        mine = [_letters(value) for value in values]
        if others is None:
            counts = Counter(mine)
            return np.array([bool(one) and counts[one] > 1 for one in mine], np.bool_)
        theirs = {_letters(value) for value in others}
        return np.array([bool(one) and one in theirs for one in mine], np.bool_)


def reader() -> TextReader:
    """Return how texts are read; see `cfedge.inputs.reader`."""
    return TextReader()


def _letters(text: str) -> str:
    return "".join(letter for letter in folded(text) if letter.isalpha())


def _kind(value: object) -> str:
    """How an error calls what is no text."""
    if value is None:
        return "None"
    if isinstance(value, PurePath):
        return f"the path {str(value)!r:.80}"
    if isinstance(value, float) and value != value:
        return "NaN"
    if (shape := getattr(value, "shape", ())) != ():
        return f"an array of shape {tuple(shape)}"
    return value_words(value)


def _step(value: object) -> str:
    if isinstance(value, PurePath):
        return "this backbone reads texts: give what the file holds"
    if getattr(value, "shape", ()) != ():
        return "this backbone reads texts, one a row"
    return "fill it in or leave it out" if is_missing(value) else "write it as a string"
