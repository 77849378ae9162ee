"""A section of the page: heading, what it is about, and what it shows."""

from __future__ import annotations

from cfedge.charts import Markup, element, escape

__all__ = ["Section", "note", "paragraph", "section"]

from typing import NamedTuple


class Section(NamedTuple):
    """A section's anchor and name, for the table of contents, and its markup."""

    anchor: str
    name: str
    markup: Markup


def section(anchor: str, name: str, *inside: Markup) -> Section:
    """Return a section with its heading."""
    heading = element("h2", escape(name), id=anchor)
    return Section(anchor, name, element("section", heading, *inside, aria_labelledby=anchor))


def paragraph(words: str) -> Markup:
    """Return a paragraph."""
    return element("p", escape(words))


def note(words: str) -> Markup:
    """Return a paragraph that says what is not there, or how to get it."""
    return element("p", escape(words), class_="aside")
