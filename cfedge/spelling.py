"""How names and inputs that people type are spelled: what nobody means by them, and what no file can
carry.
"""

from __future__ import annotations

from cfedge.errors import DataError

__all__ = ["check_spelling", "folded"]


def folded(string: str) -> str:
    """Return `string` without what nobody means: case, and how many spaces there are."""
    return " ".join(string.casefold().split())


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
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        found = "nothing" if value is None else repr(value)
        raise DataError(f"{where}: expected a {noun}, found {found}; fill it in or remove the row")
    if not isinstance(value, str):
        raise DataError(
            f"{where}: expected a {noun}, found {type(value).__name__} {value!r:.80}; write it as"
            " text"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(
            f"{where}: expected a {noun} in Unicode, found half a surrogate pair in {value!a};"
            " remove it"
        )
    if "\x00" in value:
        raise DataError(f"{where}: expected a {noun} without NUL characters, found one; remove it")
    return str(value)
