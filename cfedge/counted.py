"""Numbers with what they count, in words: ``1 class``, ``2 classes``, ``84.1 kB``."""

from __future__ import annotations

__all__ = ["counted", "size"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, in the singular or the plural.

    Parameters
    ----------
    one, many
        The noun of one and of several; `many` is `one` with an s, or es, unless it is given.
    """
    if count == 1:
        return f"1 {one}"
    if many is None:
        many = f"{one}es" if one.endswith(("s", "sh", "ch", "x")) else f"{one}s"
    return f"{count:,} {many}"


def size(value: int) -> str:
    """Return bytes for people: 0 bytes, 84.1 kB, 23.9 MB (powers of 1000)."""
    if value < 1000:
        return counted(value, "byte")
    return f"{value / 1e6:.1f} MB" if value >= 1_000_000 else f"{value / 1e3:.1f} kB"
