"""What a value that was read is called, in words that need no Python; and values that say nothing."""

from __future__ import annotations

__all__ = ["is_missing", "json_fault", "says_nothing", "value_words"]

#: What programs write where nothing is.
_NOTHING = {
    "nan", "none", "null", "n/a", "#n/a", "<na>", "nat", "undefined",
    "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "#spill!", "#calc!",
}  # fmt: skip
#: Values of pandas and NumPy that stand for none.
_MISSING = ("NAType", "NaTType", "MaskedConstant")
#: What a value is called, so that nobody has to know Python.
_KINDS = {
    "Decimal": "the number",
    "MaskedConstant": "a masked value",
    "NAType": "nothing",
    "NaTType": "nothing",
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


def is_missing(value: object) -> bool:
    """Return whether a value stands for none: None, NaN, and what pandas and NumPy's masks have."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    try:
        return bool(value != value)
    except Exception:  # of an array or tensor, which has no one answer, or cannot be compared
        return False


def says_nothing(string: str) -> bool:
    """Return whether `string` is what programs write where nothing is, such as ``NaN``."""
    return string.strip().casefold() in _NOTHING


def value_words(value: object) -> str:
    """Return what a value is and how it is written: ``a date 2024-01-01``, ``an object {...}``."""
    kind = _KINDS.get(type(value).__name__, type(value).__name__)
    if kind in ("nothing", "a masked value"):
        return kind
    shown = repr(value) if isinstance(value, dict | list | tuple | bytes | str) else str(value)
    return f"{kind} {shown:.80}"


def json_fault(error: Exception) -> str:
    """Say what is wrong with what was read as JSON, without advice on Python."""
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no UTF-8"
    if isinstance(error, RecursionError):
        return "brackets that are nested too deep"
    if "integer string conversion" in str(error):
        return "a number of thousands of digits"
    return str(error)
