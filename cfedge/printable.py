"""What may reach a terminal. Names and inputs come from elsewhere: an escape character in one moves
the cursor or clears the screen, a mark of writing direction shows a line in another order than it
is in.

Printable is what Python calls so, and the two joiners that Persian, the scripts of India and emoji
need inside words. Of a name something must be seen, too.
"""

from __future__ import annotations

import unicodedata

__all__ = ["escaped", "in_a_line", "is_printable", "is_seen", "look", "shows_nothing"]

#: Characters of a line for people; a screen holds no more.
_LONGEST = 2_000
#: Zero width non-joiner and joiner.
_JOINERS = "\u200c\u200d"


#: Variation selectors, the grapheme joiner, the empty pattern of Braille and the fillers of Hangul.
_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)


def is_printable(string: str) -> bool:
    """Whether `string` can be shown as it is."""
    return string.isprintable() or all(
        letter.isprintable() or letter in _JOINERS for letter in string
    )


def is_seen(string: str) -> bool:
    """Whether something of `string` can be seen."""
    return any(not letter.isspace() and not shows_nothing(letter) for letter in string)


def shows_nothing(letter: str) -> bool:
    """Whether a character is a format mark, or one that chooses how another is drawn (a heart in
    red or in black), or a filler.
    """
    return unicodedata.category(letter) == "Cf" or letter in _UNSEEN


def look(string: str) -> str:
    """Return what people see of a string: without case, spaces, marks that show nothing, and the
    different ways to write one letter.
    """
    if not string.isascii():
        string = unicodedata.normalize("NFKC", string)
        string = "".join(letter for letter in string if not shows_nothing(letter))
    return " ".join(string.casefold().split())


def escaped(string: str) -> str:
    r"""Return `string` with all that is not printable as Python escapes it, such as ``\x1b``."""
    if string.isprintable():
        return string
    return "".join(
        letter if letter.isprintable() or letter in _JOINERS else ascii(letter)[1:-1]
        for letter in string
    )


def in_a_line(string: str) -> str:
    """Return `string` escaped, and without its middle where it is so long that nobody reads it: what
    it is about stands at its beginning, what to do next at its end.
    """
    if len(string) > _LONGEST:
        start, end = string[: _LONGEST * 3 // 4], string[-_LONGEST // 4 :]
        string = f"{start} \u2026 ({len(string) - _LONGEST:,} characters more) \u2026 {end}"
    return escaped(string)
