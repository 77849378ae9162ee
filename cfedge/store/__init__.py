"""The device's folder: objects by digest, generations, one pointer. Who fills it is
`cfedge.sync`'s; who answers, the engine's.
"""

from cfedge.store.records import Pointer
from cfedge.store.store import Store, bundle_at, check_there

__all__ = ["Pointer", "Store", "bundle_at", "check_there"]
