"""The device's folder: objects by digest, generations, one pointer. Who fills it is
`cfedge.sync`'s; who answers, the engine's.

A store is loaded where there is one: an engine of a bundle does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfedge.store.place import check_there, is_store

if TYPE_CHECKING:
    from cfedge.store.records import Pointer
    from cfedge.store.store import Store, bundle_at

__all__ = ["Pointer", "Store", "bundle_at", "check_there", "is_store"]

_HOMES = {
    "Pointer": "cfedge.store.records",
    "Store": "cfedge.store.store",
    "bundle_at": "cfedge.store.store",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
