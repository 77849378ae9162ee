"""Texts that can be read and should be looked at before they are learned: words for a missing one,
and letters that became others on their way. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cfedge.values import says_nothing

__all__ = ["doubts"]

#: Letters that are not written as they are, and how they became so.
_MISWRITTEN = (
    # an accented letter, a quotation mark
    (
        re.compile("[\u00c3\u00c2][\u0080-\u00bf\u0152-\u2122]|\u00e2\u20ac[\u0080-\u2122]"),
        "looks as if UTF-8 had been read as Windows-1252 before; save it anew from where it came",
    ),
    # what decoders write for bytes that they cannot read
    (
        re.compile("\ufffd"),
        "has marks for letters that a program could not read; save it anew from where it came",
    ),
    # &amp; &#39; &lt;
    (
        re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9a-fA-F]{1,6});"),
        "has HTML's words for some; write the letters themselves, as those who ask do",
    ),
)


def doubts(texts: Sequence[str]) -> Iterator[tuple[list[int], str]]:
    """Give the places of texts, with what is wrong with them and what to do."""
    missing = [row for row, text in enumerate(texts) if says_nothing(text)]
    if missing:
        yield (
            missing,
            f"expected a text, found {texts[missing[0]]!r}, which programs write where there is"
            " none; fill it in or remove the row",
        )
    for pattern, why in _MISWRITTEN:
        rows = [row for row, text in enumerate(texts) if pattern.search(text)]
        if rows:
            yield (
                rows,
                f"expected letters as they are written, found {texts[rows[0]][:60]!r}, which {why}",
            )
