"""What is said of an input by its position, said of the file that it stands in too."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from cfedge.errors import InputError
from cfedge.inputs.modality import Input, Modality

__all__ = ["of_file"]

_WHERE = re.compile(r"input (\d+)")


def of_file(modality: Modality, inputs: Sequence[Input], error: InputError) -> InputError:
    """Return what was said of one of some inputs, with its file where it is one and was not named."""
    found = _WHERE.search(str(error))
    if found is None or modality.written or int(found[1]) >= len(inputs):
        return error
    value = inputs[int(found[1])]
    if not isinstance(value, str | os.PathLike) or (file := modality.name(value)) in str(error):
        return error
    return InputError(_WHERE.sub(lambda _: f"{found[0]} ({file})", str(error), count=1))
