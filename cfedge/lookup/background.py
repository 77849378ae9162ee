"""What inputs of no particular task look like to a backbone: cluster centres of a broad public
corpus, behind the trunk and behind the frozen tail.

A distance to a task's classes says little by itself, and the other tasks are no measure of what is
foreign where there are few of them or none (docs/decisions/0041-unknown.md). The centres are
statistics of thousands of inputs; no input is kept. `cfedge_export.background` makes them.

Letters: G centres, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError

__all__ = ["Background", "CENTRES"]

Floats = NDArray[np.float32]

#: Centres, at most.
CENTRES = 64
_STEPS = 127


class Background(NamedTuple):
    """Centres, float32 [G, D] each: of the trunk's first view, and of the frozen tail's features."""

    trunk: Floats
    tail: Floats

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: int8, and one step for each part."""
        stored: dict[str, NDArray[np.generic]] = {}
        for part, centres in self._asdict().items():
            step = np.float32(max(float(np.abs(centres).max(initial=0.0)), 1e-12) / _STEPS)
            stored[part] = np.round(centres / step).astype(np.int8)
            stored[f"{part}_step"] = np.array([step], np.float32)
        return stored

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], what: str, trunk: int, tail: int
    ) -> Background:
        """Check and wrap stored arrays of a backbone with features of these widths.

        Raises
        ------
        IncompatibleError
            Naming `what` and the array that does not fit.
        """
        parts = {"trunk": trunk, "tail": tail}
        expected = sorted([*parts, *(f"{part}_step" for part in parts)])
        if sorted(arrays) != expected:
            raise _odd(what, f"arrays {expected}", f"{sorted(arrays)!s:.80}")
        centres = {}
        for part, width in parts.items():
            stored, step = arrays[part], arrays[f"{part}_step"]
            fits = stored.ndim == 2 and stored.shape[1] == width and stored.dtype == np.int8
            if not fits or not 1 <= len(stored) <= CENTRES:
                found = f"{stored.dtype} {list(stored.shape)}"
                raise _odd(what, f"{part} int8 [1..{CENTRES}, {width}]", found)
            if step.shape != (1,) or step.dtype != np.float32 or not 0 < float(step[0]) < np.inf:
                raise _odd(what, f"{part}_step, one float32 > 0", f"{step!s:.40}")
            centres[part] = stored.astype(np.float32) * step.astype(np.float32)
        return cls(**centres)


def _odd(what: str, expected: str, found: str) -> IncompatibleError:
    return IncompatibleError(f"{what}: expected {expected}, found {found}; export the bundle again")
