"""A chart with its caption and the table behind it; and tables alone."""

from __future__ import annotations

from collections.abc import Sequence

from cfedge.charts.markup import Markup, element, escape, shortened

__all__ = ["figure", "table"]

#: Letters of a cell that are shown; the rest has no place in a table.
_CELL = 300


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str | float]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
) -> Markup:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    rows
        Words, which are escaped here; numbers are shown as Python writes them.
    caption
        What the table shows; screen readers say it first.
    numbers
        Columns that are set at the right: among the first ten. The table names them once, so that
        long ones stay small.
    """
    body = [
        element(
            "tr",
            *(
                element(
                    "td" if place else "th",
                    escape(shortened(str(cell), _CELL)),
                    scope=None if place else "row",
                )
                for place, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    head = [
        element(
            "th",
            escape(shortened(name, _CELL)),
            scope="col",
        )
        for name in heads
    ]
    inside = element(
        "table",
        element("caption", escape(shortened(caption, _CELL))),
        element("thead", element("tr", *head)),
        element("tbody", *body),
        class_=" ".join(f"n{place}" for place in numbers) or None,
    )
    return element("div", inside, class_="scroll", tabindex=0, role="region", aria_label=caption)


def figure(chart: Markup, *, caption: str, behind: Markup | None = None) -> Markup:
    """Return a chart, what it shows in a sentence, and its values as a table that opens on a click.

    Parameters
    ----------
    behind
        The table, as `table` returns it.
    """
    inside = [
        element("div", chart, class_="picture", tabindex=0),
        element("figcaption", escape(caption)),
    ]
    if behind is not None:
        summary = element("summary", escape("Show these values as a table"))
        inside.append(element("details", summary, behind))
    return element("figure", *inside)
