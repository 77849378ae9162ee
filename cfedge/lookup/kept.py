"""What is computed of tasks' statistics, the same each time, and can be kept for the next opening:
of all tasks together as arrays, of a single class as a record (`cfedge.runtime.kept_tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError

__all__ = ["Arrays", "Keep", "KeepPart", "Keepable", "Records", "check_arrays", "odd"]

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
_Kept = TypeVar("_Kept", bound="Keepable")
_Same = TypeVar("_Same")


class Keepable(Protocol):
    """What can be kept."""

    @property
    def extent(self) -> tuple[int, ...]:
        """Of how much it was computed: the width of features last, and before it what else counts."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to keep."""

    @classmethod
    def from_arrays(cls: type[_Same], arrays: Arrays, what: str) -> _Same:
        """Wrap what `arrays` returned.

        Raises
        ------
        IncompatibleError
            Naming `what`: it is something else.
        """


#: Returns what was computed before, or what the function given to it computes.
Keep: TypeAlias = Callable[[Callable[[], _Kept]], _Kept]


class Records(Protocol):
    """Bytes by number, all of one size."""

    def read(self, number: int) -> bytes | None:
        """Return what was left under this number, to the byte; None where nothing is."""

    def write(self, number: int, content: bytes) -> None:
        """Leave bytes under this number, where that can be done."""


class KeepPart(Protocol):
    """The same of one kind and of a part of signatures: ``trunk``, ``first`` or ``tail``."""

    def __call__(self, part: str, kind: type[_Kept], make: Callable[[], _Kept]) -> _Kept:
        """Return what was kept, or make it and keep it."""

    def records(self, part: str, kind: type[Keepable], size_bytes: int) -> Records:
        """Return records of what single classes are beside one of this kind, so many bytes each."""


def check_arrays(
    arrays: Arrays, kinds: Mapping[str, tuple[type, str]], what: str
) -> dict[str, int]:
    """Refuse arrays of other names, types or sizes than `kinds` has: dtype, and a letter for each
    axis. Return the sizes by letter.

    Raises
    ------
    IncompatibleError
        Naming `what`.
    """
    if set(arrays) != set(kinds):
        raise odd(what, f"{sorted(kinds)}", f"{sorted(arrays)!s:.200}")
    sizes: dict[str, int] = {}
    for name, (dtype, letters) in kinds.items():
        array = arrays[name]
        fits = array.dtype == dtype and array.ndim == len(letters)
        if not fits or any(
            sizes.setdefault(letter, size) != size
            for letter, size in zip(letters, array.shape, strict=True)
        ):
            expected = f"{name} {np.dtype(dtype).name} [{', '.join(letters)}]"
            raise odd(what, expected, f"{array.dtype} {list(array.shape)}")
    return sizes


def odd(what: str, expected: str, found: str) -> IncompatibleError:
    """Return the refusal of what was not kept by this program."""
    return IncompatibleError(f"{what}: expected {expected}, found {found}; delete it")
