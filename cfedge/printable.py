"""What may reach a terminal. Names and texts come from elsewhere: an escape character in one moves
the cursor or clears the screen, a mark of writing direction shows a line in another order than it
is in.

Printable is what Python calls so, and the two joiners that Persian, the scripts of India and emoji
need inside words.
"""

from __future__ import annotations

__all__ = ["escaped", "is_printable"]

#: Zero width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


def is_printable(text: str) -> bool:
    """Whether `text` can be shown as it is."""
    return text.isprintable() or all(one.isprintable() or one in _JOINERS for one in text)


def escaped(text: str) -> str:
    r"""Return `text` with all that is not printable as Python escapes it, such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in _JOINERS else ascii(one)[1:-1] for one in text
    )
