"""What a group of texts may be called: the words that its members share and the others have not.
Pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["suggested"]

_WORD = re.compile(r"[^\W\d_][\w'-]+", re.UNICODE)
#: Of English, German, French and Spanish: they name nothing.
_EMPTY_WORDS = (
    "a about all am an and any are as at be but by can could did do does for from get give have how"
    " i if in into is it its let like make me my need no not of on one or our out please should so"
    " some tell than that the their them then there these they this to up us want was we were what"
    " what's when where which who why will with would you your der die das und ist ich ein eine zu"
    " den mit wie was le la les un une des et est je que pour el los de en y es mi por"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
_WORDS = 2
#: Of a text that are looked at: what it is about stands at its beginning.
_LETTERS = 400


def suggested(group: Sequence[str], others: Sequence[str]) -> str:
    """Return a label for a group of texts; empty where they share no word.

    Words are weighed by the share of the group that has them, times how much rarer they are among
    the others.
    """
    inside, outside = _counts(group), _counts(others)
    if not inside or not group:
        return ""
    weight = {
        word: count
        / len(group)
        * math.log((2 + len(others)) / (1 + outside[word]) * (1 + count) / (1 + len(group)) + 1)
        for word, count in inside.items()
        if count >= max(2 if len(group) > 1 else 1, len(group) // 4)
    }
    best = sorted(weight, key=lambda word: (-weight[word], word))[:_WORDS]
    if len(best) == _WORDS and weight[best[1]] < weight[best[0]] / 2:
        best = best[:1]
    return " ".join(best)[:60]


def _counts(texts: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update(
            {word for word in _WORD.findall(text[:_LETTERS].lower()) if word not in _EMPTY}
        )
    return found
