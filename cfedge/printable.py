"""What may reach a terminal. Names and inputs come from elsewhere: an escape character in one moves
the cursor or clears the screen, a mark of writing direction shows a line in another order than it
is in.

Printable is what Python calls so, and the two joiners that Persian, the scripts of India and emoji
need inside words.
"""

from __future__ import annotations

__all__ = ["escaped", "is_printable"]

#: Zero width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


def is_printable(string: str) -> bool:
    """Whether `string` can be shown as it is."""
    return string.isprintable() or all(
        letter.isprintable() or letter in _JOINERS for letter in string
    )


def escaped(string: str) -> str:
    r"""Return `string` with all that is not printable as Python escapes it, such as ``\x1b``."""
    if string.isprintable():
        return string
    return "".join(
        letter if letter.isprintable() or letter in _JOINERS else ascii(letter)[1:-1]
        for letter in string
    )
