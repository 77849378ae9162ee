"""How names and inputs that people type are spelled: what nobody means by them, and what no file can
carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from cfedge.errors import DataError
from cfedge.printable import is_seen
from cfedge.values import is_missing, value_words

__all__ = ["check_spelling", "did_you_mean", "folded"]

#: How alike two names are, by `difflib`, where one may be a slip of the other: four letters of five.
_NEAR = 0.8


def folded(string: str) -> str:
    """Return `string` without what nobody means: case, and how many spaces there are."""
    return " ".join(string.casefold().split())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question, with a space before it, where one of `known` is spelled nearly as `name`;
    else nothing.
    """
    near = get_close_matches(name, [one for one in known if one != name], n=1, cutoff=_NEAR)
    return f" (did you mean {near[0][:40]!r}?)" if near else ""


def _is_bare(value: str) -> bool:
    """Whether nothing of a string can be seen; most are quickly told to be plain."""
    return not value.strip() or (not value.isprintable() and not is_seen(value))


def check_spelling(value: object, noun: str, where: str) -> str:
    """Return the string in a cell, or refuse it.

    Parameters
    ----------
    noun
        What the cell should hold, such as ``label``.
    where
        File and row, for errors.

    Raises
    ------
    DataError
    """
    if is_missing(value) or (isinstance(value, str) and _is_bare(value)):
        found = ascii(value) if isinstance(value, str | float) else value_words(value)
        raise DataError(f"{where}: expected a {noun}, found {found}; fill it in or remove the row")
    if not isinstance(value, str):
        raise DataError(
            f"{where}: expected a {noun}, found {value_words(value)}; write it as a string"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(
            f"{where}: expected a {noun} in Unicode, found half a surrogate pair in {value!a};"
            " remove it"
        )
    if "\x00" in value:
        raise DataError(f"{where}: expected a {noun} without NUL characters, found one; remove it")
    return str(value)
