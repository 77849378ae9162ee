"""Counts of rows against columns, as a table whose cells are shaded: what was true, what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cfedge.charts.lettering import fitted
from cfedge.charts.markup import Markup, element, escape, shortened

__all__ = ["matrix"]

#: Columns up to which a table has room on paper as it is.
_WIDE = 14
#: Pixels that a row's or a column's name may take.
_NAME = 170.0
#: Shades in the stylesheet, ``q0`` to ``q9``.
_SHADES = 10


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    caption: str,
    corner: str,
    key: Callable[[int, int], str | None] = lambda _row, _column: None,
) -> Markup:
    """Return a table; a cell off the diagonal is the darker, the larger its share of its row.

    Parameters
    ----------
    counts
        [rows, columns].
    corner
        What rows and columns are, such as ``true task, task found``.
    key
        Of a cell, what a script looks its inputs up by: such a cell holds a button with
        ``data-cell``. None: there is nothing to show.
    """
    head = element(
        "tr",
        element("th", escape(corner), scope="col", class_="corner"),
        *(_heading(name, "col") for name in columns),
    )
    body = [
        element(
            "tr",
            _heading(rows[place], "row"),
            *(
                _cell(place, column, count, sum(line), key(place, column), rows, columns)
                for column, count in enumerate(line)
            ),
        )
        for place, line in enumerate(counts)
    ]
    table = element(
        "table",
        element("caption", escape(caption)),
        element("thead", head),
        element("tbody", *body),
        class_="matrix wide" if len(columns) > _WIDE else "matrix",
    )
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _heading(name: str, scope: str) -> Markup:
    shown = fitted(name, _NAME)
    inside = element("span", escape(shown))
    return element("th", inside, scope=scope, title=shortened(name, 500) if shown != name else None)


def _cell(
    row: int,
    column: int,
    count: int,
    total: int,
    key: str | None,
    rows: Sequence[str],
    columns: Sequence[str],
) -> Markup:
    right = row < len(columns) and column < len(rows) and rows[row] == columns[column]
    if not count:
        return element("td", class_="right" if right else None)
    shade = min(_SHADES - 1, int(_SHADES * (count / total) ** 0.5)) if total else 0
    kind = f"{'right' if right else 'wrong'} q{shade}"
    inside = escape(str(count))
    if key is not None:
        said = f"{count} of {shortened(rows[row], 60)} found as {shortened(columns[column], 60)}"
        inside = element("button", inside, type="button", data_cell=key, aria_label=said)
    return element("td", inside, class_=kind)
