"""Of the tasks' signatures the part that one stage of the lookup reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from cfedge.lookup.signature import ClusterStatistics, StoredSignature, TaskSignature

__all__ = ["Parts", "Signatures"]

_Signature: TypeAlias = TaskSignature | StoredSignature
#: By task name.
Signatures: TypeAlias = Mapping[str, TaskSignature] | Mapping[str, StoredSignature]


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
