"""What the lookup computes of a bundle's statistics, kept in the user's cache: the same bundle opens and
answers sooner the next time.

A file is named by everything that decides its content and begins with its own CRC-32, by which one
that a power cut spoiled is known. It counts where nobody else could have written it
(`cfedge.runtime.private_cache`), so nothing is gained by a digest that withstands forgers. What does
not count is computed.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from cfedge.bundle.arrays import dump_arrays, view_arrays
from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.manifest import Manifest
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import IncompatibleError
from cfedge.lookup.kept import Keepable
from cfedge.runtime.kept_records import KeptRecords
from cfedge.runtime.private_cache import PrivateCache
from cfedge.version import __version__

__all__ = ["KeptTables"]

#: Of one file: 15 MB with a thousand tasks.
_FILE_BYTES = 256 << 20
#: Those of two bundles stay, since a sync leaves the one before for a rollback; of more while all
#: take so many bytes.
_FILES, _ALL_BYTES = 16, 128 << 20
#: Eight, as what follows should begin where numbers of eight bytes may.
_CHECK_BYTES = 8
_Kept = TypeVar("_Kept", bound=Keepable)


class KeptTables:
    """Those of one bundle; what `cfedge.lookup.Router` takes as `keep`.

    Parameters
    ----------
    manifest
        Of the bundle, whose files were checked.
    """

    def __init__(self, manifest: Manifest) -> None:
        cpu = this_cpu()
        backbone, tasks = manifest.backbone, manifest.tasks
        background = backbone.background
        self._decisive = {
            "cfedge": __version__, "lookup": manifest.lookup, "backbone": backbone.digest,
            "background": background and background.sha256,
            "signatures": [[task.name, task.signature.sha256] for task in tasks],
            "cpu": [cpu.machine, cpu.name, *cpu.flags], "numpy": np.__version__,
        }  # fmt: skip
        self._widths = {
            "trunk": backbone.lookup_width, "first": backbone.views[0], "tail": backbone.width,
        }  # fmt: skip
        self._counts = len(tasks), sum(len(task.classes) for task in tasks)

    def __call__(self, part: str, kind: type[_Kept], make: Callable[[], _Kept]) -> _Kept:
        """Return what is kept of this kind and part, or make it and keep it."""
        cache, name = PrivateCache("tables"), self._name(part, kind.__name__)
        found = self._read(cache.read(name, _FILE_BYTES), part, kind)
        if found is None:
            found = make()
            content = dump_arrays(found.arrays())
            if len(content) + _CHECK_BYTES <= _FILE_BYTES:
                cache.write(name, _check(content) + content)
                cache.keep_newest(_FILES, _ALL_BYTES)
        return found

    def records(self, part: str, kind: type[Keepable], size_bytes: int) -> KeptRecords:
        """Return the records of single classes, beside this kind and part."""
        name = self._name(part, f"{kind.__name__}, each class {size_bytes} bytes")
        return KeptRecords(name, self._counts[1], size_bytes)

    def _name(self, part: str, kind: str) -> str:
        decisive = {**self._decisive, "part": part, "kind": kind}
        return hashlib.sha256(canonical_json(decisive)).hexdigest()

    def _read(self, data: bytes | None, part: str, kind: type[_Kept]) -> _Kept | None:
        if data is None:
            return None
        content = memoryview(data)[_CHECK_BYTES:]
        if _check(content) != data[:_CHECK_BYTES]:
            return None
        try:
            found = kind.from_arrays(view_arrays(content, "kept tables"), "kept tables")
        except IncompatibleError:
            return None
        *counts, width = found.extent
        fits = width == self._widths[part] and tuple(counts) in ((), self._counts)
        return found if fits else None


def _check(content: bytes | memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECK_BYTES, "little")
