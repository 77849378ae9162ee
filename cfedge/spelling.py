"""How names and inputs that people type are spelled: what nobody means by them, and what no file can
carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from cfedge.errors import DataError

__all__ = ["check_spelling", "did_you_mean", "folded", "says_nothing", "value_words"]

#: How alike two names are, by `difflib`, where one may be a slip of the other: four letters of five.
_NEAR = 0.8
#: What programs write where nothing is.
_NOTHING = {"nan", "none", "null", "n/a", "#n/a", "<na>", "nat", "undefined"}
#: What a value is called, so that nobody has to know Python.
_KINDS = {
    "Decimal": "the number",
    "NoneType": "nothing",
    "Timestamp": "a date",
    "bool": "the truth value",
    "date": "a date",
    "datetime": "a date",
    "dict": "an object",
    "float": "the number",
    "int": "the number",
    "list": "a list",
    "str": "the string",
    "time": "a time",
    "timedelta": "a duration",
    "tuple": "a list",
}


def folded(string: str) -> str:
    """Return `string` without what nobody means: case, and how many spaces there are."""
    return " ".join(string.casefold().split())


def says_nothing(string: str) -> bool:
    """Return whether `string` is what programs write where nothing is, such as ``NaN``."""
    return string.strip().casefold() in _NOTHING


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question, with a space before it, where one of `known` is spelled nearly as `name`;
    else nothing.
    """
    near = get_close_matches(name, [one for one in known if one != name], n=1, cutoff=_NEAR)
    return f" (did you mean {near[0][:40]!r}?)" if near else ""


def value_words(value: object) -> str:
    """Return what a value is and how it is written: ``a date 2024-01-01``, ``an object {...}``."""
    kind = _KINDS.get(type(value).__name__, type(value).__name__)
    if value is None:
        return kind
    shown = repr(value) if isinstance(value, dict | list | tuple | bytes | str) else str(value)
    return f"{kind} {shown:.80}"


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
