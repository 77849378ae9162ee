"""An empty figure, and writing it: SVG, PNG or PDF by the file's name, whole or not at all, the
same bytes for the same figure.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from cfedge.errors import UsageError
from cfedge.outside import check_file
from cfedge.storage import write_file

__all__ = ["FORMATS", "GREY", "check", "drawing", "save"]

#: By the ending of the file's name; what is written beside the picture names no time, so that it
#: can be compared.
FORMATS = {".svg": {"Date": None}, ".png": {"Software": None}, ".pdf": {"CreationDate": None}}
#: What is not in the foreground.
GREY = "#8a8a8a"
#: Letters stay letters in an SVG; ids follow from the content.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "cfedge", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True, "figure.constrained_layout.use": True, "savefig.dpi": 160,
}  # fmt: skip


def check(path: Path) -> None:
    """Refuse, before anything is measured, a file that could not be written.

    Raises
    ------
    UsageError
        Its name ends in no known format, or its folder is not there or cfedge's own.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"--plot: expected a file that ends in {', '.join(FORMATS)}, found {path.name}; name"
            " it so"
        )
    check_file(path, "--plot")


@contextlib.contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of so many inches; what is drawn meanwhile is drawn in cfedge's style."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height))


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the format of the file's name.

    Raises
    ------
    UsageError
        See `check`.
    StorageError
        The disk refused; `path` is as it was.
    """
    check(path)
    suffix, data = path.suffix.lower(), io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(data, format=suffix[1:], metadata=FORMATS[suffix])
    write_file(path, data.getvalue())
