"""How a report shows an input: words cut to some letters, what cannot be printed in it escaped; a
picture as a thumbnail; an array by its name.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np

from cfedge import inputs
from cfedge.charts import shortened
from cfedge.errors import CfedgeError
from cfedge.inputs import Spec
from cfedge.inputs.modality import Input
from cfedge.printable import escaped

__all__ = ["LETTERS", "Shown", "shown"]

#: Of an input's words.
LETTERS = 240


class Shown(NamedTuple):
    """Words that stand for the input, and a data URI of its picture, if it is one."""

    words: str
    picture: str | None = None

    @property
    def size_bytes(self) -> int:
        """About how much room it takes in the page."""
        return len(self.words.encode("utf-8")) + len(self.picture or "") + 80


def shown(value: Input, spec: Spec, number: int) -> Shown:
    """Return how an input is shown.

    Parameters
    ----------
    number
        Its place, from 1: what a picture or an array is called.
    """
    stored = inputs.stored(spec)
    if stored.written:
        return Shown(shortened(escaped(value[: LETTERS + 1]), LETTERS))
    name = f"{spec.kind} {number}"
    try:
        data = stored.thumbnail(value)
    except CfedgeError as error:  # as of a damaged picture, or without Pillow: said, not hidden
        return Shown(shortened(f"{name}, which cannot be shown here: {error}", LETTERS))
    if data is None:
        shape = " x ".join(map(str, np.shape(value)))
        return Shown(f"{name} ({shape})" if shape else name)
    return Shown(name, "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii"))
