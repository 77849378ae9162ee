"""What lookups share that read the whole frozen encoder: a task leaves cluster statistics behind the
frozen tail alone.

Letters: C classes of one task, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.lookup.background import Background
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.cluster_table import MakeCoarse
from cfedge.lookup.kept import KeepPart
from cfedge.lookup.rules.rule import Arrays
from cfedge.lookup.rules.whole_encoder import Scorer, WholeEncoder
from cfedge.lookup.signature import TaskSignature
from cfedge.margins import Margins

__all__ = ["BehindTail", "TailSignature"]

_PREFIX = "tail."


@dataclass(frozen=True, eq=False, repr=False)
class TailSignature:
    """What one task leaves: cluster statistics behind the frozen tail, one cluster a class."""

    tail: ClusterStatistics

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays to store: ``tail.<name>``."""
        return {f"{_PREFIX}{name}": array for name, array in self.tail.arrays().items()}


class BehindTail:
    """A lookup on the frozen tail's features: a rule adds what it keeps and how it scores."""

    reads_all = True
    least_temperature: float

    def kept(self, tail: ClusterStatistics) -> ClusterStatistics:
        """Return what of a task's statistics travels."""
        return tail

    def scorer(self, tasks: Sequence[ClusterStatistics]) -> Scorer:
        """Return what scores one input under the classes of all tasks, in their order."""
        raise NotImplementedError

    def signature(self, whole: TaskSignature) -> TailSignature:
        """Return what travels of the tail's part."""
        return TailSignature(self.kept(whole.tail))

    def stored(
        self, arrays: Arrays, what: str, width: int, views: Sequence[int], frozen_views: int = 0
    ) -> TailSignature:
        """Check and unpack the arrays; what the rule would not have kept is refused."""
        if odd := [name for name in arrays if not name.startswith(_PREFIX)]:
            raise IncompatibleError(
                f"{what}: expected arrays of the tail, found {odd[0]!r:.80}; export the bundle again"
            )
        parts = {name.removeprefix(_PREFIX): array for name, array in arrays.items()}
        found = ClusterStatistics.from_arrays(parts, f"tail's part of the {what}", width)
        if len(self.kept(found).factor) != len(found.factor):
            raise IncompatibleError(
                f"{what}: expected no rows of factor, found {len(found.factor)}; export the bundle"
                " again"
            )
        return TailSignature(found)

    def counted(self, stored: TailSignature) -> int:
        """Return C: all was checked when it was unpacked."""
        return len(stored.tail.counts)

    def clusters(self, signature: Any) -> ClusterStatistics:
        """Return those behind the tail."""
        found: ClusterStatistics = signature.tail
        return found

    def router(
        self,
        signatures: Mapping[str, Any],
        margins: Margins | None = None,
        *,
        coarse: MakeCoarse | None = None,
        background: Background | None = None,
        keep: KeepPart | None = None,
    ) -> WholeEncoder:
        """Return what finds the task; `coarse` and `keep` are of no use to it."""
        names = sorted(signatures)
        if not names:
            raise IncompatibleError(
                "lookup: expected at least one task, found none; add one with: cfedge add"
            )
        tails = [self.clusters(signatures[name]) for name in names]
        centres = background.tail if background else None
        return WholeEncoder(
            names, tails, self.scorer(tails), margins, centres, unit=self.least_temperature
        )
