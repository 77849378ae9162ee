"""What a lookup is that can be shipped: what a task leaves for it, and what answers on the device.
The table of them all is `cfedge.lookup.rules`.

Every lookup keeps three promises. What a task leaves depends on no other task and adds up; the same
tasks give the same answers in whatever order they came; and with the task given, its label depends
on its own head alone.

Letters: C classes of one task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup.background import Background
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.cluster_table import MakeCoarse
from cfedge.lookup.kept import KeepPart
from cfedge.lookup.signature import TaskSignature
from cfedge.margins import Margins

if TYPE_CHECKING:
    from cfedge.lookup.finder import Finder

__all__ = ["Arrays", "LookupRule", "Signature"]

Arrays = Mapping[str, NDArray[np.generic]]


class Signature(Protocol):
    """What one task leaves; of which type is for its lookup alone."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store."""


class LookupRule(Protocol):
    """One lookup."""

    @property
    def title(self) -> str:
        """What it does, in one line."""

    @property
    def grows(self) -> str:
        """What a task adds and what many tasks cost, in one line."""

    @property
    def reads_all(self) -> bool:
        """Whether every input is run through the frozen tail before its task is known."""

    @property
    def least_temperature(self) -> float:
        """Least difference of two scores that tells tasks apart, in their unit."""

    def signature(self, whole: TaskSignature) -> Signature:
        """Return what a task leaves, of the signature that the workspace keeps."""

    def stored(
        self, arrays: Arrays, what: str, width: int, views: Sequence[int], frozen_views: int = 0
    ) -> Any:
        """Wrap stored arrays of a backbone whose tail's features are of `width` and whose trunk has
        `views`, so many of them frozen; a part may be checked when it is first read.

        Raises
        ------
        IncompatibleError
            Naming `what` and the array that does not fit.
        """

    def counted(self, stored: Any) -> int:
        """Check a stored signature whole and return its number of classes; errors as of
        `stored`.
        """

    def clusters(self, signature: Any) -> ClusterStatistics:
        """Return its classes, for a map of them."""

    def router(
        self,
        signatures: Mapping[str, Any],
        margins: Margins | None = None,
        *,
        coarse: MakeCoarse | None = None,
        background: Background | None = None,
        keep: KeepPart | None = None,
    ) -> Finder:
        """Return what finds the task of an input; parameters as of `cfedge.lookup.Router`."""
