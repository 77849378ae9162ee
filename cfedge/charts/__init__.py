"""Charts as inline SVG and tables as HTML, of our own: what the report and the console draw with.

Every function takes plain values and returns `Markup`, a string in which all is escaped already.
Nothing here reads a file, needs a package or runs a script. A page uses it so:

>>> from cfedge.charts import Series, line_chart, percent
>>> svg = line_chart(
...     [Series("unknown inputs", (0.0, 0.5, 1.0), (1.0, 0.8, 0.2))],
...     title="Unknown inputs that are caught, by threshold",
...     x_label="threshold", y_label="caught", y_format=percent,
... )
>>> svg.startswith('<svg class="chart"')
True

- `style` returns the CSS that all of it needs: the page puts it into its one ``<style>``. Colours
  are variables (``--s0`` to ``--s7``, ``--ink``, ``--paper`` ...), light and dark.
- No element carries a ``style`` attribute, so that a Content-Security-Policy may forbid them.
- Series differ in colour, in the marker's shape and in the line's dashes: colour alone says nothing.
- `figure` puts a chart, its caption and the table behind it together; the SVG is one image with a
  name for screen readers, and the table says the same in words.
- A line chart, and a bar chart with a cursor, carry where their plot lies as ``data-x0``,
  ``data-x1`` (values), ``data-left``, ``data-right`` (pixels of the view box) and ``data-log`` (1:
  equal ratios are equally long), so that a script can move their ``line.cursor``.
- In a map, every point is a ``<g class="point" data-index=...>``, with ``data-group`` where groups are named.
- Words are escaped by `escape` and `element` alone; other markup is joined with `join`. mypy tells
  `Markup` from `str`: what is not escaped does not pass.
"""

from cfedge.charts.bars import bar_chart
from cfedge.charts.figure import figure, table
from cfedge.charts.intervals import IntervalRow, Span, interval_chart
from cfedge.charts.lines import Mark, Series, line_chart
from cfedge.charts.markup import Markup, element, escape, join, shortened
from cfedge.charts.matrix import matrix
from cfedge.charts.points import Point, point_map
from cfedge.charts.scale import milliseconds, number, percent
from cfedge.charts.style import style

__all__ = [
    "IntervalRow",
    "Mark",
    "Markup",
    "Point",
    "Series",
    "Span",
    "bar_chart",
    "element",
    "escape",
    "figure",
    "interval_chart",
    "join",
    "line_chart",
    "matrix",
    "milliseconds",
    "number",
    "percent",
    "point_map",
    "shortened",
    "style",
    "table",
]
