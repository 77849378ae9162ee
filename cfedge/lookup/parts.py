"""Of the tasks' signatures the part that one stage of the lookup reads, and what is made of it: once,
when an input first needs it, however many threads ask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from cfedge.lookup.background import Background
from cfedge.lookup.class_gaussians import OF_ALL_VIEWS, OF_ONE_VIEW, Shared
from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.cluster_statistics import ClusterStatistics
from cfedge.lookup.cluster_table import MakeCoarse
from cfedge.lookup.familiarity import Familiarity
from cfedge.lookup.fitted import Fitted
from cfedge.lookup.kept import Keep, KeepPart, Records
from cfedge.lookup.lookup import Lookup
from cfedge.lookup.signature import Slices, StoredSignature, TaskSignature
from cfedge.lookup.whitened import Whitened

__all__ = ["Made", "Parts", "Signatures"]

_Signature: TypeAlias = TaskSignature | StoredSignature
#: By task name.
Signatures: TypeAlias = Mapping[str, TaskSignature] | Mapping[str, StoredSignature]
_Kept = TypeVar("_Kept", Fitted, Shared, Whitened)
_Made = TypeVar("_Made", ClassTable, Lookup, Familiarity)


class Parts(Mapping[str, ClusterStatistics]):
    """One stage's signature of each task, made when it is asked for."""

    def __init__(
        self,
        signatures: Signatures,
        part: Callable[[_Signature], ClusterStatistics],
    ) -> None:
        self._signatures, self._part = signatures, part

    def __getitem__(self, name: str) -> ClusterStatistics:
        return self._part(self._signatures[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)


class Made:
    """What is made of each part: ``trunk``, ``first`` or ``tail``, as of `TaskSignature`.

    Parameters
    ----------
    signatures, background, keep, class_bytes
        See `cfedge.lookup.Router`.
    coarse
        Of the trunk's part.
    """

    def __init__(
        self,
        signatures: Signatures,
        background: Background | None,
        keep: KeepPart | None,
        coarse: MakeCoarse | None,
        class_bytes: int,
    ) -> None:
        self._signatures, self._background = signatures, background
        self._keep, self._coarse, self._class_bytes = keep, coarse, class_bytes
        self._made: dict[tuple[type, str], Any] = {}
        self._making = threading.Lock()

    def lookup(self, part: str) -> Lookup:
        """Return the scores by class means and one covariance for all."""
        coarse, keep = self._coarse if part == "trunk" else None, self._keeping(part, Fitted)
        return self._once(Lookup, part, lambda: Lookup(self._of(part), coarse=coarse, keep=keep))

    @cached_property
    def slices(self) -> Slices | None:
        """As of the signatures, which are alike in this."""
        one: _Signature = self._signatures[next(iter(self._signatures))]
        return one.slices

    def table(self, part: str) -> ClassTable:
        """Return the classes' own shapes."""
        lookup, keep = self.lookup(part), self._keeping(part, Shared)
        records = self._records(part, Shared)

        def make() -> ClassTable:
            strength = OF_ALL_VIEWS if part == "trunk" and self.slices else OF_ONE_VIEW
            return ClassTable(
                self._of(part),
                lookup,
                kept_bytes=self._class_bytes,
                keep=keep,
                records=records,
                strength=strength,
            )

        return self._once(ClassTable, part, make)

    def familiar(self, part: str) -> Familiarity:
        """Return what compares inputs with one task."""
        found: Familiarity | None = self._made.get((Familiarity, part))
        if found is not None:
            return found
        lookup, table, known = self.lookup(part), self.table(part), self._background
        centres = known and (known.tail if part == "tail" else known.trunk)
        keep, records = self._keeping(part, Whitened), self._records(part, Whitened)
        return self._once(
            Familiarity,
            part,
            lambda: Familiarity(self._of(part), lookup, table, centres, keep, records),
        )

    def _of(self, part: str) -> Mapping[str, ClusterStatistics]:
        return Parts(self._signatures, attrgetter(part))

    def _keeping(self, part: str, kind: type[_Kept]) -> Keep[_Kept] | None:
        return None if self._keep is None else partial(self._keep, part, kind)

    def _records(
        self, part: str, kind: type[Shared] | type[Whitened]
    ) -> Callable[[int], Records] | None:
        return None if self._keep is None else partial(self._keep.records, part, kind)

    def _once(self, kind: type[_Made], part: str, make: Callable[[], _Made]) -> _Made:
        if (kind, part) not in self._made:
            with self._making:
                if (kind, part) not in self._made:
                    self._made[kind, part] = make()
        made: _Made = self._made[kind, part]
        return made
