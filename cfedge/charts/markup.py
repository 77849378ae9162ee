"""Markup: strings that a browser may read as HTML or SVG, because all words in them are escaped.

`Markup` is a type for mypy alone. It comes from `escape`, `element` and `join`; whoever makes one in
another way vouches for what is in it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import NewType

from cfedge.printable import escaped

__all__ = ["Markup", "element", "escape", "join", "shortened"]

Markup = NewType("Markup", str)
#: Elements that have no end.
_VOID = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "rect"}


def escape(words: str) -> Markup:
    """Return words as markup: ``& < > " '`` as references, what cannot be printed as Python shows
    it, line ends kept.
    """
    lines = (escaped(line) for line in words.splitlines())
    return Markup(html.escape("\n".join(lines), quote=True))


def join(parts: Iterable[Markup]) -> Markup:
    """Return pieces of markup, one behind the other."""
    return Markup("".join(parts))


def element(name: str, /, *inside: Markup, **attributes: str | float | bool | None) -> Markup:
    """Return one element.

    Parameters
    ----------
    name
        Of the element; never from outside.
    inside
        What it holds.
    attributes
        Values are escaped, numbers rounded to hundredths; True writes the name alone, None and
        False leave it out. ``_`` in a name stands for ``-``; one at the end is dropped (``class_``).

    Examples
    --------
    >>> element("tspan", escape("a < b"), x=1.5, font_size=9)
    '<tspan x="1.5" font-size="9">a &lt; b</tspan>'
    """
    written = "".join(
        f" {_attribute_name(key)}" + ("" if value is True else f'="{_value(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID and not inside:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(inside)}</{name}>")


def shortened(words: str, letters: int) -> str:
    """Cut words to so many letters, the last of which says that more follow."""
    return words if len(words) <= letters else words[: letters - 1] + "\u2026"


def _attribute_name(key: str) -> str:
    # SVG's names are written as they are: viewBox has no underscore.
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
