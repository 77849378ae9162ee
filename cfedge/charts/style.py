"""The stylesheet of all charts and tables: ``charts.css`` beside this file."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["SERIES", "style"]

#: Colours, markers and dashes in the stylesheet; what comes after begins again with other markers.
SERIES = 8


@functools.cache
def style() -> str:
    """Return the CSS that the charts need; the page puts it into its one ``<style>``."""
    return resources.files("cfedge.charts").joinpath("charts.css").read_text("utf-8")
