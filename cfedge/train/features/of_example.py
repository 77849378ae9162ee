"""What is said of an input, said of the example that it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cfedge.errors import DataError, InputError
from cfedge.inputs.modality import Input, Modality

__all__ = ["of_example"]

#: Where an input's error says which of them it is.
_POSITION = re.compile(r"input (\d+)")
#: Letters of an example's name.
_LETTERS = 200


def of_example(
    modality: Modality, some: Sequence[Input], start: int, error: InputError
) -> DataError:
    """Return what was said of one of a few inputs as of an example, by its number and name.

    Parameters
    ----------
    some, start
        The inputs, and the place of the first among all examples.
    """
    where, _, said = str(error).partition(": ")
    found = _POSITION.search(where)
    if found is None:
        return DataError(f"examples: {said}")
    place = int(found[1])
    about = "features of " if where.startswith("features of ") else ""
    name = modality.name(some[place])[:_LETTERS]
    return DataError(f"{about}example {start + place + 1}, {name}: {said}")
