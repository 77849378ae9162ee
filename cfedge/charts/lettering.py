"""How wide words are on a chart, and words that are cut to fit: SVG breaks no line and clips none.
Pure.

Widths are those of DejaVu Sans, among the widest of what browsers take for ``system-ui``, so that
what fits here fits in other fonts too.
"""

from __future__ import annotations

import unicodedata

__all__ = ["fitted", "words_width"]

#: Pixels of a letter at the size of the labels, 12 pixels; of others as of most letters.
_NARROW, _MOST, _BROAD, _BROADEST = 5.0, 8.2, 10.4, 12.5
_WIDTHS = {
    **dict.fromkeys(" !\"'()*,-./:;I[]_`fijlrt|\\", _NARROW),
    **dict.fromkeys("#&+<=>CDGHMNOQU^~w", _BROAD),
    **dict.fromkeys("%@Wm\u2026", _BROADEST),
}


def words_width(words: str) -> float:
    """Return about how wide a label is, in pixels: rather too much than too little."""
    return sum(map(_width, words))


def fitted(words: str, pixels: float) -> str:
    """Cut words to so many pixels; where it was cut, an ellipsis says so."""
    if words_width(words) <= pixels:
        return words
    kept, left = 0, pixels - _BROADEST
    for letter in words:
        left -= _width(letter)
        if left < 0:
            break
        kept += 1
    return words[:kept].rstrip() + "\u2026"


def _width(letter: str) -> float:
    if (known := _WIDTHS.get(letter)) is not None:
        return known
    if unicodedata.combining(letter):
        return 0.0
    # Letters of Chinese, Japanese and Korean, and pictographs.
    return _BROADEST if unicodedata.east_asian_width(letter) in "WF" else _MOST
