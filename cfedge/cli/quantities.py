"""Sizes and times as people write them, ``512MB``, ``20ms``, -> numbers."""

from __future__ import annotations

import math
import re

from typer import CallbackParam

from cfedge.errors import UsageError

__all__ = ["milliseconds", "seconds", "size_bytes"]

_BYTES = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_YEAR_S = 366 * 86_400
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Za-z]+)")


def size_bytes(quantity: str, what: str) -> int:
    """Parse a number of bytes: ``512MB`` (powers of 1000), ``0.5GiB`` (of 1024).

    Raises
    ------
    UsageError
        It is no number above 0 with a unit, or less than one byte.
    """
    return math.floor(_quantity(quantity, what, _BYTES, 1, "512MB or 0.5GiB"))


def milliseconds(quantity: str, what: str) -> float:
    """Parse a time: ``20ms``, ``0.5s``, ``900us``.

    Raises
    ------
    UsageError
        It is no number above 0 with a unit.
    """
    return _quantity(quantity, what, _MILLISECONDS, 0, "20ms or 0.5s")


def seconds(parameter: CallbackParam, value: float) -> float:
    """Refuse a number of seconds of an option that none can wait for; NaN is below no bound.

    Raises
    ------
    UsageError
    """
    if not value <= _YEAR_S:
        raise UsageError(
            f"{parameter.opts[0]}: expected at most {_YEAR_S} seconds, a year, found {value}; give"
            " fewer"
        )
    return value


def _quantity(
    quantity: str, what: str, units: dict[str, float] | dict[str, int], least: float, example: str
) -> float:
    found = _QUANTITY.fullmatch(quantity.strip())
    unit = units.get(found[2]) if found else None
    value = float(found[1]) * unit if found and unit is not None else math.nan
    if not (value > 0 and value >= least):
        raise UsageError(
            f"{what}: expected a number above 0 with one of the units {', '.join(units)}, found"
            f" {quantity[:40]!r}; write it as {example}"
        )
    return value
