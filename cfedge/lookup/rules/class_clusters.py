"""The default lookup: class clusters behind the trunk, each with a shape of its own, looked at closer
where margins are thin (`cfedge.lookup.router`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cfedge.lookup.background import Background
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.cluster_table import MakeCoarse
from cfedge.lookup.kept import KeepPart
from cfedge.lookup.router import Router
from cfedge.lookup.rules.rule import Arrays
from cfedge.lookup.signature import StoredSignature, TaskSignature
from cfedge.margins import Margins

__all__ = ["ClassClusters"]


class ClassClusters:
    """See `cfedge.lookup.rules.rule.LookupRule`."""

    title = "each class's own Gaussian shape, looked at closer where margins are thin"
    grows = "a task adds its classes' shapes behind trunk and tail; one product scores all tasks"
    reads_all = False
    least_temperature = 1.0

    def signature(self, whole: TaskSignature) -> TaskSignature:
        """Return the signature as it is."""
        return whole

    def stored(
        self, arrays: Arrays, what: str, width: int, views: Sequence[int], frozen_views: int = 0
    ) -> StoredSignature:
        """Wrap it; its parts are unpacked when they are first asked for."""
        return StoredSignature(arrays, what, width, views, frozen_views)

    def counted(self, stored: StoredSignature) -> int:
        """Unpack all parts."""
        return len(stored.whole().trunk.counts)

    def clusters(self, signature: TaskSignature | StoredSignature) -> ClusterStatistics:
        """Return those behind the trunk."""
        return signature.trunk

    def router(
        self,
        signatures: Mapping[str, Any],
        margins: Margins | None = None,
        *,
        coarse: MakeCoarse | None = None,
        background: Background | None = None,
        keep: KeepPart | None = None,
    ) -> Router:
        """Return the router of up to three stages."""
        return Router(signatures, margins, coarse=coarse, background=background, keep=keep)
