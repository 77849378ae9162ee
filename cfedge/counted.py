"""Numbers with what they count, in words: ``1 class``, ``2 classes``."""

from __future__ import annotations

__all__ = ["counted"]


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
